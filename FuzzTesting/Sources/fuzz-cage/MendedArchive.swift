/// An archive from a fuzzer's bytes. The first byte says whether the rest is taken as it is, or as a tar whose
/// headers get the right checksums, or as a list of entries: blind changes would mostly be refused for a checksum, and
/// never reach what is behind it.
package func archive(from bytes: UnsafeBufferPointer<UInt8>) -> [UInt8] {
    guard let first = bytes.first else { return [] }
    let rest = Array(bytes.dropFirst())
    return switch first % 3 {
    case 0: rest
    case 1: mended(rest)
    default: mended(composed(rest))
    }
}

/// A tar of entries: each has bytes for kind and mode, then name, target and content, each with its length before it.
private func composed(_ list: [UInt8]) -> [UInt8] {
    let kinds = Array("0251LKxg3467".utf8)
    var list = list[...]
    var archive: [UInt8] = []
    func text(_ limit: Int) -> [UInt8] {
        let count = min(Int(list.popFirst() ?? 0), limit, list.count)
        defer { list = list.dropFirst(count) }
        return Array(list.prefix(count))
    }
    func field(_ number: Int, _ width: Int) -> [UInt8] {
        let digits = String(number, radix: 8)
        return Array((String(repeating: "0", count: max(0, width - 1 - digits.count)) + digits).utf8) + [0]
    }
    while let kind = list.popFirst() {
        let mode = Int(list.popFirst() ?? 0) << 4
        let (name, target, content) = (text(100), text(100), text(255))
        var header = name + [UInt8](repeating: 0, count: 100 - name.count)
        header += field(mode, 8) + field(0, 8) + field(0, 8) + field(content.count, 12) + field(0, 12)
        header += [UInt8](repeating: 0x20, count: 8) + [kinds[Int(kind) % kinds.count]]
        header += target + [UInt8](repeating: 0, count: 100 - target.count) + Array("ustar".utf8) + [0, 0x30, 0x30]
        archive += header + [UInt8](repeating: 0, count: block - header.count)
        archive += content + [UInt8](repeating: 0, count: (block - content.count % block) % block)
    }
    return archive + [UInt8](repeating: 0, count: 2 * block)
}

/// The same with the right checksums.
private func mended(_ bytes: [UInt8]) -> [UInt8] {
    var archive = bytes
    var offset = 0
    while offset + block <= archive.count {
        let header = archive[offset..<offset + block]
        if header.allSatisfy({ $0 == 0 }) {
            offset += block
            continue
        }
        let type = header[offset + 156]
        let size = octal(header[(offset + 124)..<(offset + 136)])
        let sum = header.enumerated().reduce(0) { $0 + (checksum.contains($1.offset) ? 32 : Int($1.element)) }
        var digits = String(sum, radix: 8)
        digits = String(repeating: "0", count: max(0, 6 - digits.count)) + digits
        archive.replaceSubrange((offset + 148)..<(offset + 156), with: Array(digits.utf8.prefix(6)) + [0, 0x20])
        // Folders and links have no bytes behind them, whatever they say.
        let hasBytes = ![0x31, 0x32, 0x33, 0x34, 0x35, 0x36].contains(type)
        offset += block + (hasBytes ? (size + block - 1) / block * block : 0)
    }
    return archive
}

private let block = 512
private let checksum = 148..<156

/// A number as a tar's header has it, as far as an archive of a fuzzer can be long.
private func octal(_ field: ArraySlice<UInt8>) -> Int {
    var number = 0
    for byte in field {
        guard (0x30...0x37).contains(byte) else { break }
        number = min(number << 3 | Int(byte - 0x30), 1 << 24)
    }
    return number
}
