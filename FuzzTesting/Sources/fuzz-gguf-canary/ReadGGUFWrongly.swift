import GGUF

/// Holds a property that is false: "no accepted file is of an architecture that starts with five capitals".
///
/// A run of this must fail. Five changes at their places are out of reach of blind chance, so a fuzzer that finds
/// them gets feedback from inside; one that does not is blind, and its silence about the reader proves nothing.
@_cdecl("LLVMFuzzerTestOneInput")
public func readGGUFWrongly(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    guard let file = try? GGUFFile(source: ByteBuffer(bytes)),
        let architecture = file.metadata["general.architecture"]?.string
    else { return 0 }
    // One branch for each letter: each is an edge of its own that coverage can report.
    let capitals = UInt8(ascii: "A")...UInt8(ascii: "Z")
    let letters = Array(architecture.utf8)
    guard letters.count > 4, capitals.contains(letters[0]) else { return 0 }
    guard capitals.contains(letters[1]) else { return 0 }
    guard capitals.contains(letters[2]) else { return 0 }
    guard capitals.contains(letters[3]) else { return 0 }
    precondition(!capitals.contains(letters[4]))
    return 0
}
