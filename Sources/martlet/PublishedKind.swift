import ArgumentParser

/// What `martlet publish` publishes; whether a model is an adapter, its file says.
enum PublishedKind: String, ExpressibleByArgument, CaseIterable {
    case model, engine, agent
}
