*** Settings ***
Library             usim.robot.UsimLibrary


*** Test Cases ***
The Echo Answers By Interrupt
    Boot Image    ${FIRMWARE}/usart_echo.elf
    Wait For Line On Uart    echo    usart1
    Write To Uart    hello\n
    Wait For Line On Uart    HELLO

The LED's Timer Ticks Each Millisecond
    Boot Image    ${FIRMWARE}/blinky.elf
    Advance Time    5 ms
    ${cycles} =    Cycles Between Symbols    SysTick_Handler    SysTick_Handler
    Should Be True    15_980 <= ${cycles} <= 16_020
