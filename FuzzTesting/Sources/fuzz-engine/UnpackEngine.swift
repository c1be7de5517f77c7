import fuzz_cage

private let cage = Cage()

/// Unpacks the input as an engine's archive. A refusal is fine; whatever happens, nothing stands outside the folder,
/// nothing in it is of a kind that it must not be, and what was accepted can be packed and unpacked again.
@_cdecl("LLVMFuzzerTestOneInput")
public func unpackEngine(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    cage.clean()
    let isAccepted = cage.unpack(archive(from: UnsafeBufferPointer(start: start, count: count)))
    _ = cage.inspect()
    if isAccepted { cage.roundTrip() }
    return 0
}
