package import MartletTypes

/// What is to be published, as paths and values; nothing is read before `Publisher.publish`.
package struct PublishRequest: Sendable {
    /// The release.
    package var release: ReleasePath
    /// The builds of the model: each one GGUF, or all parts of a split one in order, or all files of another format.
    package var variants: [[String]]
    /// The base release, where the file is a LoRA adapter.
    package var adapterOf: ReleasePath?
    /// The engine that all variants need.
    package var engine: EngineRequirement
    /// The format of files that are no GGUF, e.g. `onnx`; nil is GGUF.
    package var format: String?
    /// What the builds need beyond what their files say.
    package var needs: [VariantNeeds]
    /// How embeddings are made, where the file does not say or says it wrong.
    package var pooling: Pooling?
    /// A model card in Markdown.
    package var card: String?
    /// The licence's text.
    package var license: String?
    /// A chat template that replaces the file's own.
    package var chatTemplate: String?
    /// An evaluation set in JSON lines.
    package var evaluation: String?
    /// What the evaluation must reach.
    package var threshold: EvaluationThreshold?
    /// Smoke probes.
    package var probes: [Probe]
    /// A file with further probes, as `docs/formats/probes.md` describes it.
    package var probesFile: String?
    /// Model signatures and a bill of materials, kept beside the release.
    package var attachments = Attachments()

    package init(
        release: ReleasePath, variants: [[String]], adapterOf: ReleasePath? = nil,
        engine: EngineRequirement = EngineRequirement(name: "llama.cpp"), needs: [VariantNeeds] = [],
        pooling: Pooling? = nil, card: String? = nil, license: String? = nil, chatTemplate: String? = nil,
        evaluation: String? = nil, threshold: EvaluationThreshold? = nil,
        probes: [Probe] = []
    ) {
        self.release = release
        self.variants = variants
        self.adapterOf = adapterOf
        self.engine = engine
        self.needs = needs
        self.pooling = pooling
        self.card = card
        self.license = license
        self.chatTemplate = chatTemplate
        self.evaluation = evaluation
        self.threshold = threshold
        self.probes = probes
    }
}

/// What became of it.
package struct PublishResult: Sendable, Codable {
    /// Whether anything was done.
    package enum Outcome: String, Sendable, Codable {
        /// The release is new.
        case published
        /// The same content was published before.
        case unchanged
        /// All is uploaded and signed here; further publishers must sign before devices see it.
        case pending
    }

    /// One build.
    package struct Variant: Sendable, Codable {
        /// Digest of its manifest.
        package let digest: Digest
        /// Its quantization: of the base where the release is an adapter.
        package let quantization: String
        /// Bytes of all weights.
        package let size: ByteCount
    }

    package let outcome: Outcome
    package let release: ReleasePath
    package let kind: ReleaseKind
    /// Digest of the release's index, which the publisher signed.
    package let indexDigest: Digest
    package let variants: [Variant]
    /// Bytes that were sent, those of resumed uploads that the registry had already not counted.
    package let bytesSent: Int64
    /// Under which name it waits for further signatures.
    package let proposal: String?
    /// How many have signed what waits.
    package let signatures: Int?
    /// How many must.
    package let signaturesNeeded: Int?
}

/// How far a publication is.
package enum PublishProgress: Sendable, Equatable {
    /// A file is being hashed.
    case hashing(file: String, done: Int64, total: Int64)
    /// A blob is being sent.
    case uploading(file: String, done: Int64, total: Int64)
    /// A blob need not be sent: the registry had it, or took it over from the base.
    case present(file: String, mounted: Bool)
    /// A killed upload goes on.
    case resumed(file: String, at: Int64)
    /// A role is being signed, for the n-th time where others were faster.
    case signing(role: String, attempt: Int)
}
