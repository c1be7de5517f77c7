/// The name of a device: a DNS label, unique in its registry, also the common name of its certificate.
package struct DeviceID: ValidatedString {
    package let text: String
    package init(_ text: String) throws(InvalidValue) {
        guard NameRule.isDNSLabel(text) else {
            throw InvalidValue(kind: "device name", value: text, rule: NameRule.dnsLabel)
        }
        self.text = text
    }
}

/// The name of a slot on a device, e.g. `triage`; what a client of the gateway writes into `model`.
package struct SlotName: ValidatedString {
    package let text: String
    package init(_ text: String) throws(InvalidValue) {
        guard NameRule.isDNSLabel(text) else {
            throw InvalidValue(kind: "slot name", value: text, rule: NameRule.dnsLabel)
        }
        self.text = text
    }
}

/// The name of a fleet: a stored label selector.
package struct FleetName: ValidatedString {
    package let text: String
    package init(_ text: String) throws(InvalidValue) {
        guard NameRule.isDNSLabel(text) else {
            throw InvalidValue(kind: "fleet name", value: text, rule: NameRule.dnsLabel)
        }
        self.text = text
    }
}

/// The identifier of a rollout, e.g. `r-7f3a90c1`: a DNS label made by the registry.
package struct RolloutID: ValidatedString {
    package let text: String
    package init(_ text: String) throws(InvalidValue) {
        guard NameRule.isDNSLabel(text) else {
            throw InvalidValue(kind: "rollout identifier", value: text, rule: NameRule.dnsLabel)
        }
        self.text = text
    }
}

/// The identity of one agent's journal: random at its creation, so that two boxes with one certificate show.
package struct JournalID: ValidatedString {
    package let text: String
    package init(_ text: String) throws(InvalidValue) {
        guard text.utf8.count == 32, text.utf8.allSatisfy(Hex.isLowerHex) else {
            throw InvalidValue(kind: "journal identity", value: text, rule: "32 lower-case hexadecimal digits")
        }
        self.text = text
    }
}
