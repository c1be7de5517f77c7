/// The recipe by which a file was quantized: `general.file_type`, which is `enum llama_ftype` of llama.cpp.
///
/// A recipe mixes tensor types: `Q4_K_M` has mostly Q4_K with some Q6_K.
struct GGUFFileType {
    /// The recipe's name, e.g. `Q4_K_M`.
    let name: String
    /// The tensor types one of which most weights of such a file have: the recipe's own, then the one that
    /// llama-quantize falls back to where rows are no multiple of 256.
    let types: [GGUFTensorType]

    /// The recipe with this number; nil where it is unknown, removed or `guessed`.
    init?(_ number: Int) {
        guard let (name, types) = Self.table[number] else { return nil }
        self.name = name
        self.types = types
    }

    private static let table: [Int: (String, [GGUFTensorType])] = [
        0: ("F32", [.f32]), 1: ("F16", [.f16]), 32: ("BF16", [.bf16]),
        2: ("Q4_0", [.q4_0]), 3: ("Q4_1", [.q4_1]), 7: ("Q8_0", [.q8_0]), 8: ("Q5_0", [.q5_0]), 9: ("Q5_1", [.q5_1]),
        10: ("Q2_K", [.q2_k, .q3_k, .q4_0, .iq4_nl]), 21: ("Q2_K_S", [.q2_k, .q3_k, .q4_0, .iq4_nl]),
        11: ("Q3_K_S", [.q3_k, .q4_0, .iq4_nl]), 12: ("Q3_K_M", [.q3_k, .q4_0, .iq4_nl]),
        13: ("Q3_K_L", [.q3_k, .q4_0, .iq4_nl]),
        14: ("Q4_K_S", [.q4_k, .q5_0]), 15: ("Q4_K_M", [.q4_k, .q5_0]),
        16: ("Q5_K_S", [.q5_k, .q5_1]), 17: ("Q5_K_M", [.q5_k, .q5_1]), 18: ("Q6_K", [.q6_k, .q8_0]),
        19: ("IQ2_XXS", [.iq2_xxs, .iq4_nl]), 20: ("IQ2_XS", [.iq2_xs, .iq4_nl]),
        22: ("IQ3_XS", [.iq3_s, .iq3_xxs, .iq4_nl]), 23: ("IQ3_XXS", [.iq3_xxs, .iq4_nl]),
        24: ("IQ1_S", [.iq1_s, .iq4_nl]), 25: ("IQ4_NL", [.iq4_nl]), 26: ("IQ3_S", [.iq3_s, .iq4_nl]),
        27: ("IQ3_M", [.iq3_s, .iq4_nl]), 28: ("IQ2_S", [.iq2_xs, .iq2_s, .iq4_nl]), 29: ("IQ2_M", [.iq2_s, .iq4_nl]),
        30: ("IQ4_XS", [.iq4_xs, .iq4_nl]), 31: ("IQ1_M", [.iq1_m, .iq4_nl]),
        36: ("TQ1_0", [.tq1_0, .q4_0]), 37: ("TQ2_0", [.tq2_0, .q4_0]), 38: ("MXFP4_MOE", [.mxfp4]),
        39: ("NVFP4", [.nvfp4]), 40: ("Q1_0", [.q1_0]),
    ]
}
