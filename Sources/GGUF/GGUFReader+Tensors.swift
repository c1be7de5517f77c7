/// The tensor table: what each row claims, then whether the claims fit the file and one another.
extension GGUFReader {
    /// The shortest row: name length, one byte of name, dimension count, one dimension, type, offset.
    static let leastTensorBytes: UInt64 = 8 + 1 + 4 + 8 + 4 + 8

    /// A row as read, its offset still relative and unchecked.
    struct Row {
        let name: String
        let type: GGUFTensorType
        let dimensions: [UInt64]
        let elementCount: UInt64
        let byteCount: UInt64
        let relativeOffset: UInt64
        /// Where the row's offset field stands.
        let position: UInt64
    }

    mutating func tensorRows(count: UInt64) throws(GGUFError) -> [Row] {
        var rows: [Row] = []
        var names: Set<String> = []
        for index in 0..<count {
            let position = cursor.position
            let row = try row("tensor[\(index)]")
            guard names.insert(row.name).inserted else {
                throw GGUFError(
                    .duplicateTensor, field: "tensor[\(index)].name", offset: position,
                    detail: "the name \"\(row.name)\" stands there twice")
            }
            rows.append(row)
        }
        return rows
    }

    private mutating func row(_ field: String) throws(GGUFError) -> Row {
        let name = try name(field + ".name", limit: limits.tensorNameBytes)
        let dimensionsStart = cursor.position + 4
        let dimensions = try dimensions(field)
        let elements = try product(dimensions, field, at: dimensionsStart)
        let typeOffset = cursor.position
        let number = try cursor.read(UInt32.self, field + ".type")
        guard let type = GGUFTensorType(rawValue: number) else {
            throw GGUFError(
                .unknownTensorType, field: field + ".type", offset: typeOffset,
                detail: "tensor type \(number) of \"\(name)\" is unknown or was removed from the format")
        }
        guard dimensions[0] % type.blockElements == 0 else {
            throw GGUFError(
                .partialBlock, field: field + ".dimensions[0]", offset: dimensionsStart,
                detail: "a row of \(dimensions[0]) is no multiple of \(type.name)'s block of \(type.blockElements)")
        }
        let (bytes, overflow) = (elements / type.blockElements).multipliedReportingOverflow(by: type.blockBytes)
        guard !overflow, bytes <= UInt64(Int64.max) else {
            throw GGUFError(
                .badDimension, field: field + ".dimensions", offset: dimensionsStart,
                detail: "the size of \"\(name)\" overflows")
        }
        let position = cursor.position
        let relative = try cursor.read(UInt64.self, field + ".offset")
        return Row(
            name: name, type: type, dimensions: dimensions, elementCount: elements, byteCount: bytes,
            relativeOffset: relative, position: position)
    }

    private mutating func dimensions(_ field: String) throws(GGUFError) -> [UInt64] {
        let offset = cursor.position
        let count = try cursor.read(UInt32.self, field + ".n_dimensions")
        guard count >= 1, count <= limits.dimensions else {
            throw GGUFError(
                .badDimensionCount, field: field + ".n_dimensions", offset: offset,
                detail: "\(count) dimensions; there must be 1 to \(limits.dimensions)")
        }
        var dimensions: [UInt64] = []
        for index in 0..<count {
            let position = cursor.position
            let dimension = try cursor.read(UInt64.self, "\(field).dimensions[\(index)]")
            guard dimension > 0 else {
                throw GGUFError(
                    .badDimension, field: "\(field).dimensions[\(index)]", offset: position,
                    detail: "the dimension is zero")
            }
            dimensions.append(dimension)
        }
        return dimensions
    }

    /// The number of elements; engines count them as signed 64-bit numbers, so it must fit one.
    private func product(_ dimensions: [UInt64], _ field: String, at offset: UInt64) throws(GGUFError) -> UInt64 {
        var product: UInt64 = 1
        for dimension in dimensions {
            let (next, overflow) = product.multipliedReportingOverflow(by: dimension)
            guard !overflow, next <= UInt64(Int64.max) else {
                throw GGUFError(
                    .badDimension, field: field + ".dimensions", offset: offset,
                    detail: "the product of the dimensions overflows")
            }
            product = next
        }
        return product
    }

    /// The end of the table, rounded up to the alignment.
    func dataOffset(alignment: UInt64, hasTensors: Bool) throws(GGUFError) -> UInt64 {
        let (sum, overflow) = cursor.position.addingReportingOverflow(alignment - 1)
        let offset = sum & ~(alignment - 1)
        guard !overflow, offset <= cursor.source.length || !hasTensors else {
            throw GGUFError(
                .truncated, field: "tensor_data", offset: cursor.position,
                detail: "the file ends before the tensor data, which starts at byte \(offset)")
        }
        return min(offset, cursor.source.length)
    }

    /// Checks that each tensor is aligned and inside the file, and that no two overlap.
    func place(_ rows: [Row], dataOffset: UInt64, alignment: UInt64) throws(GGUFError) -> [GGUFTensor] {
        let available = cursor.source.length - dataOffset
        var tensors: [GGUFTensor] = []
        for (index, row) in rows.enumerated() {
            guard row.relativeOffset % alignment == 0 else {
                throw GGUFError(
                    .misalignedTensor, field: "tensor[\(index)].offset", offset: row.position,
                    detail: "\(row.relativeOffset) of \"\(row.name)\" is no multiple of the alignment \(alignment)")
            }
            let (end, overflow) = row.relativeOffset.addingReportingOverflow(row.byteCount)
            guard !overflow, end <= available else {
                throw GGUFError(
                    .tensorOutsideFile, field: "tensor[\(index)].offset", offset: row.position,
                    detail: "\"\(row.name)\" takes \(row.byteCount) bytes from \(row.relativeOffset) on "
                        + "and the file has \(available) bytes of tensor data")
            }
            tensors.append(
                GGUFTensor(
                    name: row.name, type: row.type, dimensions: row.dimensions, elementCount: row.elementCount,
                    fileOffset: dataOffset + row.relativeOffset, byteCount: row.byteCount))
        }
        try refuseOverlaps(tensors, rows)
        return tensors
    }

    private func refuseOverlaps(_ tensors: [GGUFTensor], _ rows: [Row]) throws(GGUFError) {
        let order = tensors.indices.sorted { tensors[$0].fileOffset < tensors[$1].fileOffset }
        for (first, second) in zip(order, order.dropFirst()) {
            let end = tensors[first].fileOffset + tensors[first].byteCount
            guard end <= tensors[second].fileOffset else {
                throw GGUFError(
                    .overlappingTensors, field: "tensor[\(second)].offset", offset: rows[second].position,
                    detail: "\"\(tensors[second].name)\" starts inside \"\(tensors[first].name)\"")
            }
        }
    }
}
