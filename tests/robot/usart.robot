*** Settings ***
Documentation       What a program says on its serial line. Only some backends capture it.
Library             usim.robot.UsimLibrary


*** Variables ***
${PLATFORM}         stm32f746
${BACKEND}          embedded


*** Test Cases ***
A Program Says Hello
    [Tags]    usart
    Open Platform    ${PLATFORM}    backend=${BACKEND}
    ${usarts} =    Captured USARTs
    Skip If    not $usarts    backend ${BACKEND} captures no USART
    Load Module    kernels/hello.c
    Call    hello    2
    USART Should Contain    Hello from the chip
    ${said} =    USART Output
    Should Be Equal    ${said}    Hello from the chip\r\nHello from the chip\r\n
    Run Keyword And Expect Error    usart1: expected 'Goodbye', got 'Hello *
    ...    USART Should Contain    Goodbye

A Line That Is Not Captured Is Refused
    Open Platform    ${PLATFORM}    backend=${BACKEND}
    ${usarts} =    Captured USARTs
    IF    $usarts
        Run Keyword And Expect Error    DeviceError: no USART 'usart9' on ${PLATFORM}; there are *
        ...    USART Should Contain    Hello    usart=usart9
    ELSE
        Run Keyword And Expect Error    DeviceError: this backend does not capture what usart1 sends*
        ...    USART Should Contain    Hello
    END
