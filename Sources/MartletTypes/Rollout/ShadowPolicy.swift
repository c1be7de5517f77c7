/// Before the switch, a share of the live requests goes to the candidate too, and its answers are compared on the
/// device. Part of the signed assignment: whole numbers only. Prompts and answers never leave the device.
package struct ShadowPolicy: Sendable, Hashable, Codable {
    /// How two answers are compared.
    package enum Comparison: String, Sendable, Codable, CaseIterable {
        /// Equal after trimming white space and lower-casing.
        case label
        /// Equal after lower-casing, dropping punctuation and folding white space.
        case normalized
        /// Cosine of the answers' embeddings, as the slot's own model makes them, of at least `minSimilarityPermille`.
        case embedding
    }

    /// Thousandths of the live requests that are shadowed.
    package var sharePermille: Int
    /// How answers are compared.
    package var comparison: Comparison
    /// Least similarity in thousandths that counts as agreement, for `embedding`.
    package var minSimilarityPermille: Int
    /// Answers to compare; shadowing ends when so many were.
    package var samples: Int
    /// Seconds after which shadowing ends with what there is.
    package var maxSeconds: Int
    /// Thousandths of compared answers that must agree, or the device itself refuses the candidate with
    /// `shadowDisagreed`; nil leaves it to the rollout's gates.
    package var minAgreementPermille: Int?

    package init(
        sharePermille: Int = 100, comparison: Comparison = .normalized, minSimilarityPermille: Int = 900,
        samples: Int = 50, maxSeconds: Int = 3600, minAgreementPermille: Int? = nil
    ) {
        self.sharePermille = sharePermille
        self.comparison = comparison
        self.minSimilarityPermille = minSimilarityPermille
        self.samples = samples
        self.maxSeconds = maxSeconds
        self.minAgreementPermille = minAgreementPermille
    }
}

/// What shadowing found on a device.
package struct ShadowResult: Sendable, Hashable, Codable {
    /// Answers that were compared.
    package var compared: Int
    /// Those that agree.
    package var agreed: Int
    /// Requests that the candidate did not answer; they count as compared and not agreed.
    package var failed: Int
    /// Requests that were chosen and not shadowed, because the candidate was busy or the box too hot or short of
    /// memory.
    package var passedOver: Int
    /// Median milliseconds of the running model's answers that were compared.
    package var liveMedianMilliseconds: Double
    /// Median milliseconds of the candidate's answers.
    package var candidateMedianMilliseconds: Double
    /// Median milliseconds for each token of the running model's answers, by its engine's own clock; nil where it does
    /// not tell.
    package var liveTokenMilliseconds: Double?
    /// The same of the candidate's answers.
    package var candidateTokenMilliseconds: Double?

    package init(
        compared: Int, agreed: Int, failed: Int, passedOver: Int, liveMedianMilliseconds: Double,
        candidateMedianMilliseconds: Double, liveTokenMilliseconds: Double? = nil,
        candidateTokenMilliseconds: Double? = nil
    ) {
        self.compared = compared
        self.agreed = agreed
        self.failed = failed
        self.passedOver = passedOver
        self.liveMedianMilliseconds = liveMedianMilliseconds
        self.candidateMedianMilliseconds = candidateMedianMilliseconds
        self.liveTokenMilliseconds = liveTokenMilliseconds
        self.candidateTokenMilliseconds = candidateTokenMilliseconds
    }

    /// Share of compared answers that agree, nil where none was compared.
    package var agreement: Double? { compared == 0 ? nil : Double(agreed) / Double(compared) }
}

extension ShadowPolicy {
    /// The code of a report that says why nothing could be compared, or too little.
    package static let notPossibleCode = "shadowNotPossible"
    /// The code of a report that says that shadowing ended before it could be judged.
    package static let inconclusiveCode = "shadowInconclusive"
    /// The code of a device's own refusal of a candidate whose answers differ.
    package static let disagreedCode = "shadowDisagreed"

    /// Answers that must agree; nil leaves the judgement to the rollout's gates.
    package var mustAgree: Int? {
        minAgreementPermille.map { (samples * min(max($0, 0), 1000) + 999) / 1000 }
    }

    /// Whether too few agree, even if all answers that are still to come did.
    package func isRefuted(by result: ShadowResult) -> Bool {
        guard let mustAgree else { return false }
        return result.agreed + max(0, samples - result.compared) < mustAgree
    }

    /// Whether what there is says neither that enough agree nor that too few do.
    package func isInconclusive(_ result: ShadowResult) -> Bool {
        guard result.compared > 0 else { return true }
        guard let mustAgree else { return false }
        return result.agreed < mustAgree && !isRefuted(by: result)
    }
}

extension ShadowResult {
    /// One line for people: `31 of 50 answers agree`.
    package var summary: String {
        var text = "\(agreed) of \(compared) answers agree"
        if failed > 0 { text += ", \(failed) were not given" }
        if passedOver > 0 { text += ", \(passedOver) requests were passed over" }
        return text
    }
}
