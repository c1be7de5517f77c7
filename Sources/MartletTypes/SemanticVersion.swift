/// A version by SemVer 2.0.0. Ordered by precedence; build metadata is refused because OCI tags cannot hold `+`.
package struct SemanticVersion: ValidatedString {
    package let text: String
    /// Major, minor and patch.
    package let core: [UInt64]
    /// The dot-separated identifiers after `-`; empty for a release version.
    package let prerelease: [String]

    package init(_ text: String) throws(InvalidValue) {
        let invalid = InvalidValue(
            kind: "version", value: text, rule: "SemVer MAJOR.MINOR.PATCH, with -PRERELEASE where wanted, e.g. 1.2.0")
        guard text.utf8.count <= Limits.versionBytes else { throw invalid }
        let halves = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        let numbers = halves[0].split(separator: ".", omittingEmptySubsequences: false)
        guard numbers.count == 3 else { throw invalid }
        var core: [UInt64] = []
        for number in numbers {
            guard let value = Self.numeric(number) else { throw invalid }
            core.append(value)
        }
        var prerelease: [String] = []
        if halves.count == 2 {
            for identifier in halves[1].split(separator: ".", omittingEmptySubsequences: false) {
                let digitsOnly = identifier.utf8.allSatisfy(NameRule.isDigit)
                guard !identifier.isEmpty,
                    identifier.utf8.allSatisfy({ NameRule.isAlphanumeric($0) || $0 == UInt8(ascii: "-") }),
                    !digitsOnly || Self.numeric(identifier) != nil
                else { throw invalid }
                prerelease.append(String(identifier))
            }
        }
        self.text = text
        self.core = core
        self.prerelease = prerelease
    }

    private static func numeric(_ digits: Substring) -> UInt64? {
        guard !digits.isEmpty, digits.utf8.allSatisfy(NameRule.isDigit), digits.count == 1 || digits.first != "0"
        else { return nil }
        return UInt64(digits)
    }

    /// Precedence by SemVer 2.0.0 section 11.
    package static func < (left: Self, right: Self) -> Bool {
        if left.core != right.core { return left.core.lexicographicallyPrecedes(right.core) }
        if left.prerelease.isEmpty || right.prerelease.isEmpty {
            return !left.prerelease.isEmpty && right.prerelease.isEmpty
        }
        for (a, b) in zip(left.prerelease, right.prerelease) where a != b {
            switch (UInt64(a), UInt64(b)) {
            case (let a?, let b?): return a < b
            case (.some, .none): return true
            case (.none, .some): return false
            case (.none, .none): return a < b
            }
        }
        return left.prerelease.count < right.prerelease.count
    }
}
