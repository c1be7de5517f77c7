internal import CProcess

/// The program's own code in memory.
package enum CodePages {
    /// Lets go of code that was run and may never run again; it comes back from the file when it is. False where the
    /// kernel refuses, which costs nothing but memory.
    package static func release() -> Bool { martlet_release_code_pages() == 0 }
}
