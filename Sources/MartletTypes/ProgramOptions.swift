/// The options of one program, by their long flags.
package protocol OptionName: RawRepresentable<String>, CaseIterable, Hashable, Sendable {
    /// What the program's variables begin with, e.g. `MARTLET_AGENT`.
    static var prefix: String { get }
}

extension OptionName {
    /// E.g. `--gateway-socket`.
    package var flag: String { "--" + rawValue }
    /// E.g. `MARTLET_AGENT_GATEWAY_SOCKET`.
    package var variable: String { Self.prefix + "_" + rawValue.uppercased().replacing("-", with: "_") }
}

/// What was said to a program on its command line or in the environment.
///
/// A flag wins over its variable. Where a program has a configuration file too, both win over the file: it is read
/// first, and these are laid over it.
package struct ProgramOptions<Name: OptionName>: Sendable {
    package typealias Name = Name

    /// A value with the flag or variable that it came from, for errors.
    package struct Given: Sendable, Hashable {
        package let value: String
        package let source: String
    }

    private let values: [Name: Given]

    /// An empty variable counts as absent; an empty flag is given and will be refused where it makes no sense.
    package init(flags: [Name: String] = [:], environment: [String: String] = [:]) {
        var values: [Name: Given] = [:]
        for name in Name.allCases {
            if let value = flags[name] {
                values[name] = Given(value: value, source: name.flag)
            } else if let value = environment[name.variable], !value.isEmpty {
                values[name] = Given(value: value, source: name.variable)
            }
        }
        self.values = values
    }

    private init(values: [Name: Given]) { self.values = values }

    /// These, and what `others` say where these say nothing.
    package func over(_ others: Self) -> Self { Self(values: values.merging(others.values) { own, _ in own }) }

    /// What was given for an option; nil where nothing was.
    package subscript(name: Name) -> Given? { values[name] }

    /// One of a few words; nil where nothing was given. Throws `InvalidValue` that lists the words.
    package func choice<Choice>(_ name: Name, kind: String, of type: Choice.Type) throws(InvalidValue) -> Choice?
    where Choice: RawRepresentable & CaseIterable, Choice.RawValue == String {
        guard let given = values[name] else { return nil }
        guard let choice = Choice(rawValue: given.value) else {
            let words = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw InvalidValue(kind: "\(kind) (\(given.source))", value: given.value, rule: "one of \(words)")
        }
        return choice
    }
}
