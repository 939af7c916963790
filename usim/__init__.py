"""usim: compile, run and time tensor kernels and int8 models on an emulated (or real) Cortex-M7."""
