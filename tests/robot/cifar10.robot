*** Settings ***
Documentation       The CIFAR-10 network that comes with usim: right answers, within its budget.
Library             usim.robot.UsimLibrary
Suite Setup         Open Platform    ${PLATFORM}    backend=${BACKEND}
Test Template       Picture Should Be Recognized

*** Variables ***
${PLATFORM}         stm32f746
${BACKEND}          embedded


*** Test Cases ***                   PICTURE             ANSWER
A Deer                               4_deer.png          deer
A Dog                                5_dog.png           dog
A Ship                               8_ship.png          ship
A Cat That Looks Like A Dog          3_cat.png           dog

The Output Is Exactly The Reference's
    [Documentation]    As TensorFlow Lite Micro computes it, byte for byte.
    [Template]    NONE
    Run Model    demo    input=demo:4_deer.png
    Output Should Equal    -127 -126 -127 -117 105 -126 -127 -126 -127 -126

Memory And Time Stay Within Budget
    [Template]    NONE
    Run Model    demo    input=demo:4_deer.png
    Memory Peak Should Be At Most    heap    41_000 bytes
    Memory Peak Should Be At Most    rodata    91 KiB
    Memory Peak Should Be At Most    stack    1 KiB
    ${unit} =    Counted Unit
    IF    $unit == "cycles"
        Cycles Should Be At Most    26_000_000
        Layer Cycles Should Be At Most    2    14_000_000
    ELSE
        Instructions Should Be At Most    38_000_000
        Layer Instructions Should Be At Most    2    19_000_000
    END


*** Keywords ***
Picture Should Be Recognized
    [Arguments]    ${picture}    ${answer}
    Run Model    demo    input=demo:${picture}
    Answer Should Be    ${answer}
