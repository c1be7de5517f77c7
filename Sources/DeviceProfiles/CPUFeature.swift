/// The names that variants and profiles use for CPU features, and the kernel's names for them.
///
/// Only what engines for language models make use of. A name that is not here is a requirement that no device meets.
package enum CPUFeature {
    /// Kernel's name → ours, for 64-bit ARM (`Features` in cpuinfo; Linux `arch/arm64/kernel/cpuinfo.c`).
    static let arm64: [String: String] = [
        "asimd": "neon", "asimdhp": "fp16", "asimddp": "dotprod", "i8mm": "i8mm", "bf16": "bf16", "sve": "sve",
        "sve2": "sve2", "svei8mm": "svei8mm", "svebf16": "svebf16", "sme": "sme",
    ]

    /// Kernel's name → ours, for x86 (`flags` in cpuinfo; Linux `arch/x86/include/asm/cpufeatures.h`).
    static let amd64: [String: String] = [
        "sse4_2": "sse42", "avx": "avx", "avx2": "avx2", "fma": "fma", "f16c": "f16c", "bmi2": "bmi2",
        "avx512f": "avx512f", "avx512bw": "avx512bw", "avx512cd": "avx512cd", "avx512dq": "avx512dq",
        "avx512vl": "avx512vl", "avx512vbmi": "avx512vbmi", "avx512_vnni": "avx512vnni",
        "avx512_bf16": "avx512bf16", "avx512_fp16": "avx512fp16", "avx_vnni": "avxvnni",
        "amx_tile": "amx", "amx_int8": "amxint8", "amx_bf16": "amxbf16",
    ]

    /// Every name, sorted.
    package static var all: [String] { Set(arm64.values).union(amd64.values).sorted() }
}
