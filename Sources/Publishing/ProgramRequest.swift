package import MartletTypes

/// An engine or an agent that is to be published; nothing is read before `Publisher.publish`.
package struct ProgramRequest: Sendable {
    /// What is published.
    package enum Kind: String, Sendable, CaseIterable {
        case engine, agent
    }

    package var kind: Kind
    /// The release; an engine's repository has the engine's name, e.g. `platform/llama.cpp`.
    package var release: ReleasePath
    /// For an engine the folders of its builds, for an agent its programs: one for each processor.
    package var builds: [String]
    /// What the builds need of processors.
    package var needs: [VariantNeeds]
    /// A folder for archives while they are made.
    package var scratch: String

    package init(kind: Kind, release: ReleasePath, builds: [String], needs: [VariantNeeds] = [], scratch: String) {
        self.kind = kind
        self.release = release
        self.builds = builds
        self.needs = needs
        self.scratch = scratch
    }
}
