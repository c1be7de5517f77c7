package import MartletTypes

/// Which part of a split model a file is.
package struct GGUFSplit: Sendable, Hashable {
    /// `split.no`: the part's number from 0 on.
    package let index: Int
    /// `split.count`: the number of parts.
    package let count: Int
    /// `split.tensors.count`: the number of tensors in all parts; nil where the file does not say.
    package let tensorCount: Int?
}

extension GGUFFile {
    /// The part that this file is; nil where it is a whole model.
    ///
    /// Throws `outOfRange` where the numbers make no sense, `wrongType` where they are none.
    package func split(limits: GGUFLimits = GGUFLimits()) throws(GGUFError) -> GGUFSplit? {
        guard let count = try splitNumber("split.count", 1...limits.parts) else { return nil }
        guard let index = try splitNumber("split.no", 0...(count - 1)) else {
            throw GGUFError(.missingKey, field: "metadata[\"split.no\"]", offset: 0, detail: "the key is absent")
        }
        let tensorCount = try splitNumber("split.tensors.count", 0...Int(Int32.max))
        return count == 1 ? nil : GGUFSplit(index: index, count: count, tensorCount: tensorCount)
    }

    /// The shape of the model that `parts` make together; one whole file is a model of one part.
    ///
    /// Throws `splitMismatch` where a part is missing, out of order, or of another model.
    package static func shape(parts: [GGUFFile]) throws(GGUFError) -> ModelShape {
        guard let first = parts.first else {
            throw GGUFError(.splitMismatch, field: "split.count", offset: 0, detail: "no part was given")
        }
        var tensors: [GGUFTensor] = []
        var names: Set<String> = []
        var size = ByteCount.zero
        for (index, part) in parts.enumerated() {
            let split = try part.split() ?? GGUFSplit(index: 0, count: 1, tensorCount: nil)
            guard split.index == index, split.count == parts.count else {
                throw GGUFError(
                    .splitMismatch, field: "split.no", offset: part.metadata.entry("split.no")?.offset ?? 0,
                    detail:
                        "file \(index + 1) of \(parts.count) says that it is part \(split.index + 1) of \(split.count)")
            }
            for tensor in part.tensors where !names.insert(tensor.name).inserted {
                throw GGUFError(
                    .duplicateTensor, field: "part[\(index)].tensor[\"\(tensor.name)\"]", offset: tensor.fileOffset,
                    detail: "an earlier part has a tensor of this name")
            }
            tensors += part.tensors
            size = size + part.fileSize
        }
        if let expected = try first.split()?.tensorCount, expected != tensors.count {
            throw GGUFError(
                .splitMismatch, field: "split.tensors.count",
                offset: first.metadata.entry("split.tensors.count")?.offset ?? 0,
                detail: "the parts hold \(tensors.count) tensors and the first announces \(expected)")
        }
        return try first.shape(of: tensors, fileSize: size)
    }

    private func splitNumber(_ key: String, _ range: ClosedRange<Int>) throws(GGUFError) -> Int? {
        guard let entry = metadata.entry(key) else { return nil }
        guard let integer = entry.value.integer else { throw wrongType(entry, "a whole number") }
        guard let number = Int(exactly: integer), range.contains(number) else {
            throw GGUFError(
                .outOfRange, field: "metadata[\"\(key)\"]", offset: entry.offset,
                detail: "\(integer) is not from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }
}
