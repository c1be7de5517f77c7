/// A flag of `llama-server` that came or went over its versions: given only to a program that knows it.
package enum EngineFlag: String, Sendable, CaseIterable {
    /// How weights come into memory; in 2026 it took the place of `--no-mmap` and `--mlock`.
    case loadMode = "--load-mode"
    /// Weights are read instead of mapped, in versions before.
    case noMmap = "--no-mmap"
    /// Weights stay as they are in the file, since 2025.
    case noRepack = "--no-repack"
    /// How much answered prompts may take, since late 2025.
    case cacheRAM = "--cache-ram"
    /// What keys and values of the context are kept as, since 2024.
    case cacheTypeK = "--cache-type-k"
    case cacheTypeV = "--cache-type-v"
    /// Attention piece by piece, with `on` or `off` behind it since autumn 2025; without it the engine chooses.
    case flashAttention = "--flash-attn"
    /// The same flag before, which takes no word and is off where it is not given.
    case flashAttentionSwitch = "--flash-attn, alone"

    /// The flags that the output of `--help` explains. One that is only mentioned in a description does not count.
    static func known(in help: String) -> Set<EngineFlag> {
        var known: Set<EngineFlag> = []
        for line in help.split(separator: "\n") where line.hasPrefix("-") {
            var others = 0
            for word in line.split(whereSeparator: { $0 == " " || $0 == "," }) {
                if let flag = EngineFlag(rawValue: String(word)) {
                    known.insert(flag == .flashAttention && !line.contains("on|off") ? .flashAttentionSwitch : flag)
                }
                // One word stands for the flag's value; a second one begins the description.
                if !word.hasPrefix("-") { others += 1 }
                if others > 1 { break }
            }
        }
        return known
    }
}
