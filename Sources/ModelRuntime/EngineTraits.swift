package import MartletTypes

/// What an engine speaks to those who ask it.
package enum EngineProtocol: String, Sendable, Hashable, CaseIterable {
    /// The OpenAI API.
    case openai
    /// HTTP of its own; requests are passed on as they come.
    case http
}

/// What must be known of an engine to watch and ask it.
package struct EngineTraits: Sendable, Hashable {
    /// The path that answers 200 once it is ready, and 503 before.
    package var readyPath: String
    /// What it speaks.
    package var speaks: EngineProtocol
    /// How long it may take to become ready; nil takes what holds for all.
    package var startTimeout: Duration?
    /// The formats of model files that it takes.
    package var formats: Set<String>
    /// Memory that it takes beside its model's files; nil is llama.cpp's own, which the estimate knows.
    package var memory: ByteCount?
    /// Whether it bears connections that are idle between two requests while it answers on others.
    package var keepsAlive: Bool

    package init(
        readyPath: String = "/health", speaks: EngineProtocol = .openai, startTimeout: Duration? = nil,
        formats: Set<String> = [], memory: ByteCount? = nil, keepsAlive: Bool = false
    ) {
        self.readyPath = readyPath
        self.speaks = speaks
        self.startTimeout = startTimeout
        self.formats = formats
        self.memory = memory
        self.keepsAlive = keepsAlive
    }

    /// llama.cpp's server.
    package static let llama = EngineTraits(formats: [ModelShape.ggufFormat], keepsAlive: true)
}
