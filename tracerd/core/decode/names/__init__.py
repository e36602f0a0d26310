"""The names of the kernel's constants, as data: values from the kernel's headers."""
