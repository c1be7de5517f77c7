import ArgumentParser
import MartletTypes
import Publishing
import RegistryClient

struct Publish: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Publish a model or an adapter: read it, upload it, sign it.",
        discussion: """
            What the GGUF says about itself is read from it. A killed upload goes on where it stood. Publishing the \
            same content again does nothing; other content under a published version is refused.

            Examples:
              martlet publish model.Q4_0.gguf --as clinic/base:1.0.0 --card README.md
              martlet publish model.Q4_0.gguf --variant model.Q8_0.gguf \\
                --as clinic/base:1.1.0
              martlet publish lora.gguf --as clinic/triage:1.0.0 \\
                --adapter-of clinic/base:1.0.0 --eval holdout.jsonl \\
                --min-accuracy 0.9 --probe 'Where is my parcel?=shipping'
              martlet publish model.gguf --as clinic/base:1.2.0 \\
                --model-signature-key keys/model.pem --bom
              martlet publish --kind engine build/ --as platform/llama.cpp:0.7.0
              martlet publish --kind agent martlet-agent \\
                --as platform/martlet-agent:0.2.0
              martlet publish model.onnx --engine onnx-classifier \\
                --engine-version 1.0.0 --as clinic/urgency:1.0.0 --probes probes.json
            """)

    @Argument(
        help: "The model's file: GGUF, or another format that --engine takes; the engine's folder, or the agent.",
        completion: .file())
    var model: String
    @Option(help: "What is published: model (also an adapter), engine or agent.") var kind = PublishedKind.model
    @Option(name: .customLong("as"), help: "The release: NAMESPACE/NAME:VERSION.", transform: ReleaseReference.init)
    var release: ReleaseReference
    @Option(
        help: "Another build of the same model, e.g. of another quantization. Parts of a split file follow each other.",
        completion: .file(extensions: ["gguf"]))
    var variant: [String] = []
    @Option(help: "The base release of a LoRA adapter.", transform: ReleaseReference.init) var adapterOf:
        ReleaseReference?
    @Option(help: "A model card in Markdown.", completion: .file()) var card: String?
    @Option(help: "The licence's text.", completion: .file()) var license: String?
    @Option(help: "A chat template in place of the file's own.", completion: .file()) var chatTemplate: String?
    @Option(help: "An evaluation set that every device runs before it serves this.", completion: .file()) var eval:
        String?
    @Option(help: "The share of its rows that must be right, 0 to 1.") var minAccuracy: Double?
    @Option(help: "Rows that a device runs, taken evenly over the set; without it all.", transform: Count.positive)
    var evalRows: Int?
    @Option(help: "A probe PROMPT or PROMPT=TEXT-THAT-MUST-OCCUR, run before the evaluation.") var probe: [String] = []
    @Option(help: "A JSON file of probes with patterns and schemas (docs/formats/probes.md).", completion: .file())
    var probes: String?
    @OptionGroup var engine: EngineOptions
    @OptionGroup var attachments: AttachmentOptions
    @Option(help: "How embeddings are made, where the file does not say.") var pooling: Pooling?
    @Option(
        help: "What a build needs: [FILE:]cpu=A,B, [FILE:]memory=2GiB, [FILE:]engine=0.7.0; without FILE all do.",
        transform: VariantNeeds.init(parsing:))
    var needs: [VariantNeeds] = []
    @OptionGroup var publisher: PublisherOptions
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        guard case .version = release else {
            throw ValidationError("--as takes a version, e.g. clinic/triage:1.0.0; `martlet alias set` moves aliases.")
        }
        if let minAccuracy, !(0...1).contains(minAccuracy) {
            throw ValidationError("--min-accuracy is a share from 0 to 1.")
        }
        guard (minAccuracy == nil && evalRows == nil) || eval != nil else {
            throw ValidationError("--min-accuracy and --eval-rows need --eval.")
        }
    }

    func run() async throws {
        let session = try options.session()
        let path = try await session.resolve(release)
        if let program = ProgramRequest.Kind(rawValue: kind.rawValue) {
            let request = ProgramRequest(
                kind: program, release: path, builds: [model] + variant, needs: needs,
                scratch: try ClientConfiguration.scratchFolder())
            return try await send(session, path) { publisher, progress in
                try await publisher.publish(request, progress: progress)
            }
        }
        var request = PublishRequest(release: path, variants: Self.builds([model] + variant))
        engine.apply(to: &request, model: model)
        if let adapterOf { request.adapterOf = try await session.resolve(adapterOf) }
        request.card = card
        request.license = license
        request.chatTemplate = chatTemplate
        request.evaluation = eval
        if eval != nil { request.threshold = EvaluationThreshold(minAccuracy: minAccuracy, rows: evalRows) }
        request.probes = probe.map(Self.probe)
        request.probesFile = probes
        request.pooling = pooling
        request.needs = needs
        request.attachments = try await attachments.read(publisher.keys)
        let made = request
        try await send(session, path) { try await $0.publish(made, progress: $1) }
    }

    private typealias Send =
        @Sendable (Publisher, @escaping @Sendable (PublishProgress) -> Void) async throws -> PublishResult

    private func send(_ session: Session, _ path: ReleasePath, _ send: @escaping Send) async throws {
        let context = try await publisher.context(session, namespace: path.repository.namespace)
        let journal = try UploadJournal(folder: ClientConfiguration.uploadFolder)
        let (steps, feed) = AsyncStream.makeStream(of: PublishProgress.self, bufferingPolicy: .bufferingNewest(64))
        let printer = options.printer
        let showing = Task { await Self.show(steps, printer) }
        let result: PublishResult
        do {
            result = try await send(Publisher(context: context, journal: journal)) { feed.yield($0) }
        } catch {
            feed.finish()
            await showing.value
            throw error
        }
        feed.finish()
        await showing.value
        try options.printer.say(result) { result in
            let variants = result.variants.map { "\($0.quantization) \($0.size)" }.joined(separator: ", ")
            if result.outcome == .pending {
                return """
                    Uploaded and signed, \(result.signatures ?? 0) of \(result.signaturesNeeded ?? 0) signatures: \
                    waiting as \(result.proposal ?? "") (index \(result.indexDigest)).
                    Another publisher runs `martlet sign \(result.release.reference)`.
                    """
            }
            let verb = result.outcome == .published ? "Published" : "Unchanged:"
            return "\(verb) \(result.kind.rawValue) \(result.release.reference) (\(variants)), "
                + "\(ByteCount(result.bytesSent)) sent, index \(result.indexDigest)."
        }
    }

    /// Parts of a split GGUF (`…-00001-of-00003.gguf`) belong to one build.
    static func builds(_ files: [String]) -> [[String]] {
        var builds: [[String]] = []
        for file in files {
            let part = file.firstMatch(of: /-(\d{5})-of-\d{5}\.gguf$/)
            if let part, part.output.1 != "00001", !builds.isEmpty {
                builds[builds.count - 1].append(file)
            } else {
                builds.append([file])
            }
        }
        return builds
    }

    static func probe(_ text: String) -> Probe {
        guard let sign = text.lastIndex(of: "=") else { return Probe(prompt: text) }
        return Probe(prompt: String(text[..<sign]), contains: String(text[text.index(after: sign)...]))
    }

    /// Shows the steps to people; a program gets the result alone, or an error alone.
    private static func show(_ steps: AsyncStream<PublishProgress>, _ printer: Output) async {
        let line = ProgressLine()
        for await step in steps where printer.format == .table {
            switch step {
            case .hashing(let file, let done, let total): line.update("hashing \(file)", done: done, total: total)
            case .uploading(let file, let done, let total): line.update("uploading \(file)", done: done, total: total)
            case .present(let file, let mounted):
                line.note("\(file): \(mounted ? "taken over from the base" : "the registry has it")")
            case .resumed(let file, let offset): line.note("\(file): going on at \(ByteCount(offset))")
            case .signing(let role, let attempt):
                line.note(attempt == 1 ? "signing \(role)" : "signing \(role) again: another publisher was faster")
            }
        }
        line.finish()
    }
}
