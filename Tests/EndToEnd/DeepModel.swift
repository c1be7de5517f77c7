import Foundation

/// A llama model with further layers that change nothing: each is a copy of the last whose two outputs are zero, so
/// that what goes through it is added nothing to. It answers as the original does, bit for bit, and takes longer.
enum DeepModel {
    struct Unfit: Error, CustomStringConvertible {
        let description: String
    }

    private struct Tensor {
        let name: String
        /// Number of dimensions, dimensions, and type, as they stand.
        let shape: Data
        var data: Data
    }

    /// Reads `source` and writes it with `layers` more layers.
    static func write(_ source: String, adding layers: Int, to path: String) throws {
        var reader = Reader(data: try Data(contentsOf: URL(fileURLWithPath: source)))
        let (magic, version) = (reader.take(4), reader.take(4))
        let (tensorCount, valueCount) = (Int(reader.number(8)), Int(reader.number(8)))
        var values = Data()
        var last = -1
        for _ in 0..<valueCount {
            let start = reader.position
            let key = reader.string()
            let kind = reader.number(4)
            let valueStart = reader.position
            reader.skipValue(kind)
            var bytes = reader.data[start..<reader.position]
            if key.hasSuffix(".block_count") {
                last =
                    Int(
                        reader.data[valueStart..<valueStart + 4].reduce(into: (0, 0)) { sum, byte in
                            sum.0 += Int(byte) << sum.1
                            sum.1 += 8
                        }.0) - 1
                bytes.replaceSubrange(bytes.endIndex - 4..<bytes.endIndex, with: Self.bytes(UInt32(last + 1 + layers)))
            }
            values += bytes
        }
        guard last >= 0 else { throw Unfit(description: "\(source) has no block count") }
        var tensors = try reader.tensors(tensorCount)
        for layer in last + 1..<last + 1 + layers {
            for tensor in tensors where tensor.name.hasPrefix("blk.\(last).") {
                let part = tensor.name.dropFirst("blk.\(last).".count)
                let isOutput = part == "attn_output.weight" || part == "ffn_down.weight"
                tensors.append(
                    Tensor(
                        name: "blk.\(layer).\(part)", shape: tensor.shape,
                        data: isOutput ? Data(count: tensor.data.count) : tensor.data))
            }
        }
        var file = magic + version + bytes(UInt64(tensors.count)) + bytes(UInt64(valueCount)) + values
        var offset = 0
        for tensor in tensors {
            file +=
                bytes(UInt64(tensor.name.utf8.count)) + Data(tensor.name.utf8) + tensor.shape + bytes(UInt64(offset))
            offset += padded(tensor.data.count)
        }
        file += Data(count: padded(file.count) - file.count)
        for tensor in tensors { file += tensor.data + Data(count: padded(tensor.data.count) - tensor.data.count) }
        try file.write(to: URL(fileURLWithPath: path))
    }

    private static func padded(_ count: Int) -> Int { (count + 31) / 32 * 32 }

    private static func bytes(_ value: some FixedWidthInteger) -> Data {
        withUnsafeBytes(of: value.littleEndian) { Data($0) }
    }

    private struct Reader {
        let data: Data
        var position = 0

        mutating func take(_ count: Int) -> Data {
            defer { position += count }
            return data[position..<position + count]
        }

        mutating func number(_ bytes: Int) -> UInt64 {
            take(bytes).enumerated().reduce(0) { $0 | UInt64($1.element) << (8 * UInt64($1.offset)) }
        }

        mutating func string() -> String { String(decoding: take(Int(number(8))), as: UTF8.self) }

        /// By the types of GGUF: whole numbers and floats of 1 to 8 bytes, Booleans, strings, arrays.
        mutating func skipValue(_ kind: UInt64) {
            switch kind {
            case 0, 1, 7: position += 1
            case 2, 3: position += 2
            case 4, 5, 6: position += 4
            case 8: _ = string()
            case 9:
                let element = number(4)
                for _ in 0..<number(8) { skipValue(element) }
            default: position += 8
            }
        }

        mutating func tensors(_ count: Int) throws -> [Tensor] {
            var heads: [(name: String, shape: Data, offset: Int)] = []
            for _ in 0..<count {
                let name = string()
                let start = position
                let dimensions = number(4)
                position += 8 * Int(dimensions) + 4
                let shape = data[start..<position]
                heads.append((name, shape, Int(number(8))))
            }
            let begin = (position + 31) / 32 * 32
            let ends = heads.map(\.offset).sorted().dropFirst() + [data.count - begin]
            let next = Dictionary(uniqueKeysWithValues: zip(heads.map(\.offset).sorted(), ends))
            return try heads.map { head in
                guard let end = next[head.offset] else { throw Unfit(description: "\(head.name) has no end") }
                return Tensor(
                    name: head.name, shape: head.shape, data: Data(data[begin + head.offset..<begin + end]))
            }
        }
    }
}
