/// Walks forward through a source. The one place that reads bytes; each read is checked against the end first.
struct GGUFCursor {
    /// Bytes fetched at once. Lengths of hundreds of thousands of tokens are read one by one, so calls must be few.
    private static let windowBytes: UInt64 = 64 * 1024

    let source: any ByteSource
    /// Where the next field starts.
    private(set) var position: UInt64 = 0
    private var window: [UInt8] = []
    private var windowStart: UInt64 = 0

    init(source: any ByteSource) { self.source = source }

    /// Bytes from `position` to the end.
    var remaining: UInt64 { source.length - position }

    /// Throws `truncated` where fewer than `count` bytes are left.
    func require(_ count: UInt64, _ field: @autoclosure () -> String) throws(GGUFError) {
        guard count <= remaining else {
            throw GGUFError(
                .truncated, field: field(), offset: position,
                detail: "needs \(count) bytes and the file has \(remaining) left")
        }
    }

    /// Goes `count` bytes on without reading them.
    mutating func skip(_ count: UInt64, _ field: @autoclosure () -> String) throws(GGUFError) {
        try require(count, field())
        position += count
    }

    /// A little-endian whole number.
    mutating func read<Number: FixedWidthInteger>(
        _ type: Number.Type, _ field: @autoclosure () -> String
    ) throws(GGUFError) -> Number {
        let width = UInt64(MemoryLayout<Number>.size)
        try require(width, field())
        try fill(width)
        let start = Int(position - windowStart)
        var value: Number = 0
        for index in stride(from: Int(width) - 1, through: 0, by: -1) {
            value = (width == 1 ? 0 : value << 8) | Number(truncatingIfNeeded: window[start + index])
        }
        position += width
        return value
    }

    /// `count` bytes, whose number the caller has bounded.
    mutating func bytes(_ count: UInt64, _ field: @autoclosure () -> String) throws(GGUFError) -> [UInt8] {
        try require(count, field())
        let result: [UInt8]
        if count <= Self.windowBytes {
            try fill(count)
            let start = Int(position - windowStart)
            result = Array(window[start..<start + Int(count)])
        } else {
            result = try source.bytes(at: position, count: count)
        }
        position += count
        return result
    }

    /// Makes the window hold `count` bytes from `position` on, which `require` has shown to exist.
    private mutating func fill(_ count: UInt64) throws(GGUFError) {
        if position >= windowStart, position - windowStart + count <= UInt64(window.count) { return }
        window = try source.bytes(at: position, count: min(Self.windowBytes, remaining))
        windowStart = position
    }
}
