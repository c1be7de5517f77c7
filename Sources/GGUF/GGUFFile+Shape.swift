package import MartletTypes

/// What the file says about its model, in the words that memory estimate, index annotations and variant choice use.
extension GGUFFile {
    /// The model's shape; `fileSize` overrides the length of the file, e.g. with that of all parts of a split one.
    ///
    /// Throws `missingKey` where `general.architecture` is absent, `wrongType` or `outOfRange` where a key that is
    /// needed is there and makes no sense.
    package func shape(fileSize: ByteCount? = nil) throws(GGUFError) -> ModelShape {
        try shape(of: tensors, fileSize: fileSize ?? self.fileSize)
    }

    /// The shape of `tensors` under this file's metadata.
    func shape(of tensors: [GGUFTensor], fileSize: ByteCount) throws(GGUFError) -> ModelShape {
        guard let architecture = try string("general.architecture") else {
            throw GGUFError(
                .missingKey, field: "metadata[\"general.architecture\"]", offset: 0, detail: "the key is absent")
        }
        let type = try string("general.type")
        let isAdapter = type == "adapter"
        let embedding = try positive("\(architecture).embedding_length")
        let heads = try largest("\(architecture).attention.head_count")
        let headSize = embedding.flatMap { embedding in heads.map { embedding / $0 } }
        var bytesByType: [String: Int64] = [:]
        for tensor in tensors { bytesByType[tensor.type.name, default: 0] += Int64(tensor.byteCount) }
        return ModelShape(
            architecture: architecture,
            name: try string("general.name"),
            parameterCount: sum(tensors.map(\.elementCount)),
            quantization: try quantization(of: tensors),
            fileSize: fileSize,
            tensorBytes: ByteCount(sum(tensors.map(\.byteCount))),
            tensorBytesByType: bytesByType,
            contextLength: try positive("\(architecture).context_length"),
            embeddingLength: embedding,
            blockCount: try positive("\(architecture).block_count"),
            headCount: heads,
            headCountKV: try largest("\(architecture).attention.head_count_kv") ?? heads,
            keyLength: try positive("\(architecture).attention.key_length") ?? headSize,
            valueLength: try positive("\(architecture).attention.value_length") ?? headSize,
            slidingWindow: try positive("\(architecture).attention.sliding_window"),
            windowedLayers: try windowedLayers(architecture),
            feedForwardLength: try largest("\(architecture).feed_forward_length"),
            vocabularySize: try vocabularySize(architecture),
            pooling: try pooling(architecture),
            license: try string("general.license"),
            isAdapter: isAdapter,
            adapterAlpha: isAdapter ? try number("adapter.lora.alpha") : nil)
    }

    /// The tensors' bytes lie side by side in one file and their elements take at least a sixteenth of a byte, but
    /// parts are added up, so the sum is held within range.
    private func sum(_ values: [UInt64]) -> Int64 {
        values.reduce(0) { sum, value in
            let (next, overflow) = sum.addingReportingOverflow(Int64(clamping: value))
            return overflow ? .max : next
        }
    }

    /// The recipe that `general.file_type` names, where the tensors bear it out; else the type of most weights.
    ///
    /// Embedding and output matrices are left out: recipes store them in finer types, and in small models with large
    /// vocabularies they outweigh the rest.
    private func quantization(of tensors: [GGUFTensor]) throws(GGUFError) -> String {
        let matrices = tensors.filter { $0.dimensions.count > 1 }
        let inner = matrices.filter { $0.name != "token_embd.weight" && $0.name != "output.weight" }
        let counted = inner.isEmpty ? (matrices.isEmpty ? tensors : matrices) : inner
        var elements: [GGUFTensorType: Double] = [:]
        for tensor in counted { elements[tensor.type, default: 0] += Double(tensor.elementCount) }
        let total = elements.values.reduce(0, +)
        if let number = try positiveOrZero("general.file_type"), let recipe = GGUFFileType(number) {
            let share = recipe.types.reduce(0) { $0 + (elements[$1] ?? 0) }
            if share > 0, share >= total * Self.leastRecipeShare { return recipe.name }
        }
        let dominant = elements.max { ($0.value, $1.key.rawValue) < ($1.value, $0.key.rawValue) }
        return dominant?.key.name ?? "none"
    }

    /// Recipes that mix types give at least this part of the weights their own type; `Q4_K_M` gives about 80 %,
    /// mixtures of experts and files with many fallbacks less.
    private static let leastRecipeShare = 0.25

    /// llama.cpp's numbers; 0 makes none, 4 ranks instead of embedding, and what came later is not ours to ask for.
    private func pooling(_ architecture: String) throws(GGUFError) -> Pooling? {
        switch try positiveOrZero("\(architecture).pooling_type") {
        case 1: .mean
        case 2: .cls
        case 3: .last
        case nil: Self.encoders.contains(architecture) ? .mean : nil
        default: nil
        }
    }

    /// Architectures that only embed: a file without a pooling type means the usual one.
    private static let encoders: Set<String> = [
        "bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "modern-bert", "neo-bert", "eurobert",
        "gemma-embedding",
    ]

    /// How many layers look back through a window: what the file says of each layer, or of their period; else what
    /// llama.cpp takes for the architecture. Nil where neither is known, or there is no window.
    private func windowedLayers(_ architecture: String) throws(GGUFError) -> Int? {
        guard try positive("\(architecture).attention.sliding_window") != nil,
            let layers = try positive("\(architecture).block_count")
        else { return nil }
        let key = "\(architecture).attention.sliding_window_pattern"
        if let entry = metadata.entry(key), let array = entry.value.array {
            guard let marks = array.integers else { throw wrongType(entry, "a short array") }
            return min(layers, marks.count { $0 != 0 })
        }
        guard let period = try positive(key) ?? Self.windowPeriods[architecture] else { return nil }
        // Every layer of a period looks through the window but the last.
        return layers - layers / period
    }

    /// Periods that llama.cpp builds in (`set_swa_pattern` of each architecture).
    private static let windowPeriods = [
        "gemma2": 2, "gemma3": 6, "gemma3n": 5, "cohere2": 4, "gpt-oss": 2, "exaone4": 4, "olmo2": 4, "smallthinker": 4,
    ]

    private func vocabularySize(_ architecture: String) throws(GGUFError) -> Int? {
        if let size = try positive("\(architecture).vocab_size") { return size }
        guard let entry = metadata.entry("tokenizer.ggml.tokens") else { return nil }
        guard let array = entry.value.array else { throw wrongType(entry, "an array") }
        return Int(exactly: array.count)
    }

    private func string(_ key: String) throws(GGUFError) -> String? {
        guard let entry = metadata.entry(key) else { return nil }
        guard let text = entry.value.string else { throw wrongType(entry, "a short string") }
        return text
    }

    private func number(_ key: String) throws(GGUFError) -> Double? {
        guard let entry = metadata.entry(key) else { return nil }
        guard let number = entry.value.number else { throw wrongType(entry, "a number") }
        guard number.isFinite else { throw outOfRange(entry) }
        return number
    }

    private func positiveOrZero(_ key: String) throws(GGUFError) -> Int? {
        guard let entry = metadata.entry(key) else { return nil }
        guard let integer = entry.value.integer else { throw wrongType(entry, "a whole number") }
        guard integer >= 0, integer <= Int64(Int32.max) else { throw outOfRange(entry) }
        return Int(integer)
    }

    private func positive(_ key: String) throws(GGUFError) -> Int? {
        guard let value = try positiveOrZero(key) else { return nil }
        // Some converters write 0 for "does not apply".
        return value == 0 ? nil : value
    }

    /// A number, or the largest of one for each layer.
    private func largest(_ key: String) throws(GGUFError) -> Int? {
        guard let entry = metadata.entry(key) else { return nil }
        guard let array = entry.value.array else { return try positive(key) }
        guard array.elementType != .bool, let integers = array.integers else {
            throw wrongType(entry, "a whole number or a short array of them")
        }
        guard integers.allSatisfy({ (0...Int64(Int32.max)).contains($0) }) else { throw outOfRange(entry) }
        return integers.max().flatMap { $0 == 0 ? nil : Int($0) }
    }

    func wrongType(_ entry: GGUFMetadata.Entry, _ expected: String) -> GGUFError {
        GGUFError(
            .wrongType, field: "metadata[\"\(entry.key)\"]", offset: entry.offset,
            detail: "the type is \(entry.value.type), not \(expected)")
    }

    func outOfRange(_ entry: GGUFMetadata.Entry) -> GGUFError {
        GGUFError(
            .outOfRange, field: "metadata[\"\(entry.key)\"]", offset: entry.offset,
            detail: "the number is outside its range")
    }
}
