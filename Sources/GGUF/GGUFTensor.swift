/// One row of the tensor table, checked: its bytes lie within the file and belong to no other tensor.
package struct GGUFTensor: Sendable, Hashable {
    /// The name, e.g. `blk.0.attn_q.weight`.
    package let name: String
    /// How its numbers are stored.
    package let type: GGUFTensorType
    /// The dimensions, the contiguous one first: one to four, none zero.
    package let dimensions: [UInt64]
    /// The product of the dimensions.
    package let elementCount: UInt64
    /// Where its data starts, in bytes from the start of the file.
    package let fileOffset: UInt64
    /// Bytes of its data.
    package let byteCount: UInt64
}
