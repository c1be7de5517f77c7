import fuzz_cage

private let cage = Cage()

/// Holds a property that is false: "no accepted archive makes a link whose name starts with three capitals".
///
/// A run of this must fail. What it takes (a header whose checksum is right again, a kind that is a link, a target that
/// stays inside, three letters at their places) is out of reach of a fuzzer that gets no feedback from inside.
@_cdecl("LLVMFuzzerTestOneInput")
public func unpackEngineWrongly(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    cage.clean()
    guard cage.unpack(archive(from: UnsafeBufferPointer(start: start, count: count))) else { return 0 }
    // One branch for each letter: each is an edge of its own that coverage can report.
    let capitals = UInt8(ascii: "A")...UInt8(ascii: "Z")
    for name in cage.inspect() {
        let letters = Array(name.utf8)
        guard letters.count > 2, capitals.contains(letters[0]) else { continue }
        guard capitals.contains(letters[1]) else { continue }
        precondition(!capitals.contains(letters[2]))
    }
    return 0
}
