*** Settings ***
Documentation       C kernels: tensors, lazy and strict calls, modules that come and go.
Library             usim.robot.UsimLibrary


*** Variables ***
${PLATFORM}         stm32f746
${BACKEND}          embedded


*** Test Cases ***
Calls Run When A Result Is Asked For
    [Documentation]    Without strict=True calls only queue up, and run as one batch.
    Open Platform    ${PLATFORM}    backend=${BACKEND}
    Load Module    kernels/scale.c
    Tensor    x    0 1 2 3 4
    Empty Tensor    y    5
    Call    scale    x    0.5    y    5
    Call    scale    y    0.5    y    5
    Tensor Should Equal    y    0 0.25 0.5 0.75 1

A Strict Platform Runs Each Call At Once
    [Documentation]    So it is the call itself that fails.
    Open Platform    ${PLATFORM}    backend=${BACKEND}    strict=True
    Load Module    kernels/scale.c
    Tensor    x    1 2
    Empty Tensor    y    2
    Call    scale    x    2    y    2
    Tensor Should Equal    y    2 4
    Task Should Fail With Status    -3    Call    scale    x    2    y    0

The First Failure Of A Batch Is Told
    Open Platform    ${PLATFORM}    backend=${BACKEND}
    Load Module    kernels/scale.c
    Tensor    x    1 2
    Empty Tensor    y    2
    Call    scale    x    3    y    2
    Call    scale    x    3    y    0
    Call    scale    x    9    y    2
    Task Should Fail With Status    -3    function=scale    message=nothing to scale
    Tensor Should Equal    y    3 6

What A Kernel Costs Is Bounded
    Open Platform    ${PLATFORM}    backend=${BACKEND}
    Load Module    kernels/scale.c
    Tensor    x    1 2 3 4
    Empty Tensor    y    4
    Call Now    scale    x    2    y    4
    ${unit} =    Counted Unit
    IF    $unit == "cycles"
        Cycles Should Be At Most    400
        Run Keyword And Expect Error    *counts cycles*, not instructions*
        ...    Instructions Should Be At Most    400
    ELSE
        Instructions Should Be At Most    100
        Run Keyword And Expect Error    *counts instructions*, not cycles*
        ...    Cycles Should Be At Most    100
    END
    Memory Peak Should Be At Most    heap    1 KiB

An Unloaded Module Is Gone And Its Memory Is Back
    Open Platform    ${PLATFORM}    backend=${BACKEND}
    ${text} =    Memory In Use    text
    Load Module    kernels/scale.c
    Tensor    x    1 2
    Call    scale    x    2    x    2
    Unload Module    scale
    Tensor Should Equal    x    2 4
    Memory In Use Should Be    text    ${text}
    Run Keyword And Expect Error    LinkError: scale: module * was unloaded
    ...    Call    scale    x    2    x    2

Short Source Can Stand In The Plan
    Open Platform    ${PLATFORM}    backend=${BACKEND}
    Load Module    int negate(signed char *x) { *x = (signed char)-*x; return 0; }    name=sign
    Tensor    x    -7    dtype=int8
    Call    sign.negate    x
    Tensor Should Equal    x    7
