*** Settings ***
Documentation       What goes wrong is explained, and the platform can be used on.
Library             usim.robot.UsimLibrary
Suite Setup         Open Misbehaving Platform

*** Variables ***
${PLATFORM}         stm32f746
${BACKEND}          embedded


*** Test Cases ***
A Stray Load Is Explained
    Empty Tensor    value    1    dtype=uint32
    Call    load    0x3000_0000    value
    ${explanation} =    Fault Should Be    BusFault    function=load    address=0x3000_0000
    Should Contain    ${explanation}    misbehave.c:9

A Stray Store Is Explained
    [Documentation]    Without the address: a chip's write buffer loses it.
    Call    store    0x3000_0000
    ${explanation} =    Fault Should Be    BusFault    function=store    cause=store
    Should Contain    ${explanation}    misbehave.c

A Division By Zero Is Explained
    Empty Tensor    result    1    dtype=int32
    Fault Should Be    UsageFault    Call Now    divide    0    result    cause=division by zero
    Call    divide    5    result
    Tensor Should Equal    result    20

A Call That Never Ends Is Stopped
    Open Platform    ${PLATFORM}    backend=${BACKEND}    alias=impatient    timeout=1 second
    Load Module    kernels/misbehave.c
    ${where} =    Task Should Time Out    Call Now    spin    function=spin
    Should Contain    ${where}    misbehave.c
    Empty Tensor    result    1    dtype=int32
    Call    divide    5    result
    Tensor Should Equal    result    20

A Write Behind The End Of A Tensor Is Noticed
    Load Module    kernels/scale.c
    Tensor    x    1 2 3 4
    Empty Tensor    y    3
    Task Should Fail    wrote behind the end of output    Call Now    scale    x    1    y    4


*** Keywords ***
Open Misbehaving Platform
    Open Platform    ${PLATFORM}    backend=${BACKEND}
    Load Module    kernels/misbehave.c
