internal import CProcess

/// Memory that only rare work needed.
package enum IdleMemory {
    /// Keeps the heap small from now on. Called first, before there are further threads.
    package static func limitHeap() { martlet_limit_heap() }

    /// Lets go of free heap, and of code and constants that may never be used again; they come back from their files
    /// when they are. False where the kernel refuses, which costs nothing but memory.
    package static func release() -> Bool { martlet_release_memory() == 0 }
}
