extension SlotRecord {
    /// What the slot keeps on the disk for good: what is committed, then what it would go back to.
    package var kept: [GenerationRecord] { [current, previous].compactMap(\.self) }

    /// All that the slot could serve: what is committed, the candidate, then what it would go back to.
    package var known: [GenerationRecord] { [current, candidate, previous].compactMap(\.self) }

    /// The generation of that number; nil where the slot knows none such.
    package func generation(_ id: GenerationID?) -> GenerationRecord? { known.first { $0.id == id } }
}
