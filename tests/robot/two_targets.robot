*** Settings ***
Documentation       The same program on two targets: the same outputs, the same instructions.
Library             usim.robot.UsimLibrary
Test Tags           two-targets


*** Variables ***
${PLATFORM}         stm32f746
${BACKEND}          embedded
${OTHER}            ${{ "embedded" if $BACKEND == "qemu" else "qemu" }}


*** Test Cases ***
The Model Gives The Same Output On Both
    Models Should Agree    ${BACKEND}    ${OTHER}    platform=${PLATFORM}    input=demo:8_ship.png

Both Execute The Same Number Of Instructions
    Open Platform    ${PLATFORM}    backend=${BACKEND}    timing=count    alias=one
    Run Model    demo    input=demo:8_ship.png
    ${expected} =    Last Count
    Open Platform    ${PLATFORM}    backend=${OTHER}    timing=count    alias=other
    Run Model    demo    input=demo:8_ship.png
    Instructions Should Be At Most    ${expected}
    ${count} =    Last Count
    Should Be Equal As Integers    ${count}    ${expected}
    Switch Platform    one
    Answer Should Be    ship
