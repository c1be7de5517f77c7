extension EvaluationRow {
    private enum CodingKeys: String, CodingKey {
        case system, input, request, expected, comparison, grammar, maxTokens
    }

    /// A row that asks by a request has no `input`.
    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        let request = try values.decodeIfPresent(EngineQuestion.self, forKey: .request)
        self.init(
            system: try values.decodeIfPresent(String.self, forKey: .system),
            input: request == nil || values.contains(.input) ? try values.decode(String.self, forKey: .input) : "",
            expected: try values.decode(String.self, forKey: .expected),
            comparison: try values.decodeIfPresent(Comparison.self, forKey: .comparison),
            grammar: try values.decodeIfPresent(String.self, forKey: .grammar),
            maxTokens: try values.decodeIfPresent(Int.self, forKey: .maxTokens), request: request)
    }

    package func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encodeIfPresent(system, forKey: .system)
        if request == nil || !input.isEmpty { try values.encode(input, forKey: .input) }
        try values.encodeIfPresent(request, forKey: .request)
        try values.encode(expected, forKey: .expected)
        try values.encodeIfPresent(comparison, forKey: .comparison)
        try values.encodeIfPresent(grammar, forKey: .grammar)
        try values.encodeIfPresent(maxTokens, forKey: .maxTokens)
    }
}

extension Probe {
    private enum CodingKeys: String, CodingKey {
        case system, prompt, request, contains, pattern, schema, constrain, maxTokens
    }

    /// A probe that asks by a request has no `prompt`.
    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        let request = try values.decodeIfPresent(EngineQuestion.self, forKey: .request)
        self.init(
            system: try values.decodeIfPresent(String.self, forKey: .system),
            prompt: request == nil || values.contains(.prompt) ? try values.decode(String.self, forKey: .prompt) : "",
            contains: try values.decodeIfPresent(String.self, forKey: .contains),
            pattern: try values.decodeIfPresent(String.self, forKey: .pattern),
            schema: try values.decodeIfPresent(JSONValue.self, forKey: .schema),
            constrain: try values.decodeIfPresent(Bool.self, forKey: .constrain),
            maxTokens: try values.decodeIfPresent(Int.self, forKey: .maxTokens), request: request)
    }

    package func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encodeIfPresent(system, forKey: .system)
        if request == nil || !prompt.isEmpty { try values.encode(prompt, forKey: .prompt) }
        try values.encodeIfPresent(request, forKey: .request)
        try values.encodeIfPresent(contains, forKey: .contains)
        try values.encodeIfPresent(pattern, forKey: .pattern)
        try values.encodeIfPresent(schema, forKey: .schema)
        try values.encodeIfPresent(constrain, forKey: .constrain)
        try values.encodeIfPresent(maxTokens, forKey: .maxTokens)
    }
}
