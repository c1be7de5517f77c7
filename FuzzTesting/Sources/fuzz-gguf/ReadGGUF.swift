import GGUF
import MartletTypes

/// Reads the input as a GGUF file. A refusal is fine; an accepted file must keep what the reader promises.
@_cdecl("LLVMFuzzerTestOneInput")
public func readGGUF(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    guard let file = try? GGUFFile(source: ByteBuffer(bytes)) else { return 0 }
    precondition(file.dataOffset <= UInt64(count))
    var end = file.dataOffset
    for tensor in file.tensors.sorted(by: { $0.fileOffset < $1.fileOffset }) {
        precondition(tensor.fileOffset >= end && tensor.byteCount > 0)
        end = tensor.fileOffset + tensor.byteCount
        precondition(end <= UInt64(count))
    }
    for entry in file.metadata.entries {
        guard let array = entry.value.array else { continue }
        precondition(array.range.offset + array.range.length <= UInt64(count))
    }
    if let shape = try? file.shape() {
        precondition(shape.tensorBytes.bytes >= 0 && shape.tensorBytes.bytes <= Int64(count))
    }
    _ = try? file.split()
    _ = try? GGUFFile.shape(parts: [file, file])
    return 0
}
