import ArgumentParser
import MartletTypes
import Publishing

/// Which engine a model is for, and of what format its files are.
struct EngineOptions: ParsableArguments {
    @Option(help: "The engine that serves it; others than llama.cpp are declared by the devices' owners.")
    var engine: String?
    @Option(help: "The engine's least version.", transform: SemanticVersion.init) var engineVersion: SemanticVersion?
    @Option(help: "The format of a file that is no GGUF; without it the file's ending.") var format: String?
    @Option(help: "A further file of such a model, kept under its name.", completion: .file()) var part: [String] = []

    func validate() throws {
        let names = [engine, format].compactMap(\.self)
        guard names.allSatisfy({ $0.wholeMatch(of: /[A-Za-z0-9._-]{1,63}/) != nil }) else {
            throw ValidationError("--engine and --format take 1 to 63 letters, digits, '.', '_' or '-'.")
        }
        guard part.isEmpty || format != nil || engine != nil else {
            throw ValidationError("--part goes with --engine; the parts of a split GGUF are given with --variant.")
        }
    }

    func apply(to request: inout PublishRequest, model: String) {
        request.engine = EngineRequirement(name: engine ?? request.engine.name, minVersion: engineVersion)
        let ending = model.split(separator: "/").last.flatMap { name in
            name.lastIndex(of: ".").map { String(name[name.index(after: $0)...]).lowercased() }
        }
        if let format { request.format = format }
        if format == nil, engine != nil, let ending, ending != ModelShape.ggufFormat { request.format = ending }
        guard request.format != nil, !part.isEmpty else { return }
        // Each build is one file and the further ones, which all builds share.
        request.variants = request.variants.map { $0 + part }
    }
}
