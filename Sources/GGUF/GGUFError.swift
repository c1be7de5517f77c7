package import MartletTypes

/// Why a file is refused as GGUF: a stable code, the field, and the byte offset at which it stands.
package struct GGUFError: MartletError, Equatable {
    /// What was wrong. The raw value is the stable code.
    package enum Code: String, Sendable, CaseIterable {
        /// The first four bytes are not `GGUF`.
        case badMagic
        /// The file is written big-endian.
        case bigEndian
        /// The version is neither 2 nor 3.
        case unsupportedVersion
        /// The file ends inside a field, or a length or count points beyond its end.
        case truncated
        /// A count is above its limit, or cannot fit into the file.
        case tooMany
        /// A string or key is longer than its limit.
        case tooLong
        /// A key or tensor name is empty or holds bytes outside printable ASCII.
        case badName
        /// A string is not UTF-8.
        case badText
        /// A value type that GGUF does not have.
        case unknownValueType
        /// A Boolean that is neither 0 nor 1.
        case badBoolean
        /// Arrays nested beyond the limit.
        case nestedTooDeep
        /// The same key twice.
        case duplicateKey
        /// The same tensor name twice.
        case duplicateTensor
        /// A well-known key holds a value of another type than the format gives it.
        case wrongType
        /// A well-known key holds a value outside its range.
        case outOfRange
        /// A key without which the file is of no use is absent.
        case missingKey
        /// `general.alignment` is no power of two, below 8 or absurdly large.
        case badAlignment
        /// A tensor has no dimension, or more than four.
        case badDimensionCount
        /// A dimension is zero, or the dimensions' product overflows.
        case badDimension
        /// A tensor type that is unknown or was removed from the format.
        case unknownTensorType
        /// A row is no multiple of the type's block.
        case partialBlock
        /// A tensor's offset is not aligned.
        case misalignedTensor
        /// A tensor's data lies beyond the end of the file.
        case tensorOutsideFile
        /// Two tensors share bytes.
        case overlappingTensors
        /// The parts of a split file do not belong together.
        case splitMismatch
        /// The file could not be opened or read.
        case unreadable
        /// The file changed its length while it was read.
        case changedWhileReading
    }

    /// What was wrong.
    package let reason: Code
    /// The field, in the format's own words, e.g. `tensor[3].offset` or `metadata["general.alignment"]`.
    package let field: String
    /// Where the field starts, in bytes from the start of the file.
    package let offset: UInt64
    /// What was found and what is allowed.
    package let detail: String

    package init(_ reason: Code, field: String, offset: UInt64, detail: String) {
        self.reason = reason
        self.field = field
        self.offset = offset
        self.detail = detail
    }

    package var code: String { reason.rawValue }

    package var message: String { "GGUF \(field) at byte \(offset): \(detail)." }

    package var remedy: String {
        switch reason {
        case .bigEndian: "Convert the model to a little-endian GGUF file."
        case .unsupportedVersion: "Convert the model again with a current converter; versions 2 and 3 are read."
        case .badMagic: "Give a GGUF file."
        case .truncated, .tensorOutsideFile: "The file is cut short or forged; obtain it again from its source."
        case .unknownTensorType: "Quantize the model again with a current llama-quantize."
        case .splitMismatch: "Give all parts of one split model, in order."
        case .unreadable, .changedWhileReading: "Check that the file exists, can be read, and is not being written."
        default: "The file is damaged or forged; obtain it again from its source."
        }
    }

    package var fault: ErrorFault {
        reason == .unreadable || reason == .changedWhileReading ? .environment : .peer
    }
}
