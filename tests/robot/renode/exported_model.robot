*** Settings ***
Documentation       A model exported by usim in plain Renode, without usim: for renode-test.
...                 renode-test --variable IMAGE:/path/firmware.elf --variable ANSWER:0x80,0x7F,...
...                 exported_model.robot
Resource            ${RENODEKEYWORDS}
Test Tags           renode

*** Variables ***
${SCRIPT}           ${CURDIR}/../../../platforms/stm32f746/stm32f746.resc
${IMAGE}            ${CURDIR}/firmware.elf
${ANSWER}           ${EMPTY}

*** Keywords ***
Run The Exported Model
    Reset Emulation
    Execute Command             $bin=@${IMAGE}
    Execute Script              ${SCRIPT}

Address Of
    [Arguments]                 ${symbol}
    ${address}=                 Execute Command  sysbus GetSymbolAddress "${symbol}"
    ${number}=                  Convert To Integer  ${address.strip()}
    RETURN                      ${number}

Byte At
    [Arguments]                 ${address}
    ${byte}=                    Execute Command  sysbus ReadByte ${address}
    ${number}=                  Convert To Integer  ${byte.strip()}
    RETURN                      ${number}

*** Test Cases ***
Exported Model Should Reach Its End
    Run The Exported Model
    ${done}=                    Address Of  usim_done
    ${pc}=                      Execute Command  cpu PC
    Should Be Equal As Integers  ${pc.strip()}  ${done}

Exported Model Should Leave Its Answer
    Skip If                     '${ANSWER}' == '${EMPTY}'  no --variable ANSWER was given
    Run The Exported Model
    ${address}=                 Address Of  usim_output
    @{expected}=                Evaluate  [int(byte, 0) for byte in '${ANSWER}'.split(',')]
    FOR  ${offset}  ${byte}  IN ENUMERATE  @{expected}
        ${place}=               Evaluate  ${address} + ${offset}
        ${read}=                Byte At  ${place}
        Should Be Equal As Integers  ${read}  ${byte}
    END

Exported Model Should Count Instructions For Each Layer
    Run The Exported Model
    ${tasks}=                   Address Of  usim_tasks
    ${count}=                   Execute Command  sysbus ReadDoubleWord ${tasks + 28}
    ${number}=                  Convert To Integer  ${count.strip()}
    Should Be True              ${number} > 100000
