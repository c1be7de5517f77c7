#ifndef MARTLET_CONSTANTS_H
#define MARTLET_CONSTANTS_H

#include <stdint.h>

// Swift's runtime has variables in .rodata, so that a program with the standard library in it has all of its constants in
// writable memory, where nothing tells them from data.

enum { SEALED_RUNS = 16 };

// Pages of the program's constants that were as in its file, and which nobody can write to any more.
struct sealed_constants {
    int count;
    struct {
        uintptr_t start;
        uintptr_t end;
    } runs[SEALED_RUNS];
};

// Finds the constants that the linker left writable and takes the right to write from those pages that are still as in the
// program's file. None where it left none, or where the file cannot be read.
void seal_constants(struct sealed_constants *sealed);

#endif
