/// Every bound on what comes from outside, with its reason. Target-local bounds stand in that target.
package enum Limits {
    /// How much of a wrong value an error message repeats.
    package static let quotedValueCharacters = 120
    /// A repository name as the OCI distribution spec allows it; longer ones break file names.
    package static let repositoryNameBytes = 255
    /// A tag in the OCI distribution spec: 128 characters.
    package static let tagBytes = 128
    /// Device, slot, fleet, alias, namespace and token names: a DNS label, so that they fit into host and file names.
    package static let nameBytes = 63
    /// A SemVer string; the longest seen in the wild are under 100.
    package static let versionBytes = 128
    /// A label key or value, as in Kubernetes.
    package static let labelBytes = 63
    /// Labels on one device.
    package static let labelsPerDevice = 64
    /// Terms in one selector.
    package static let selectorTerms = 32
    /// An OCI manifest or index; the spec demands at least 4 MiB.
    package static let manifestBytes = 4 * 1024 * 1024
    /// Entries in one index: quantizations × hardware classes, with room.
    package static let variantsPerRelease = 64
    /// Layers in one manifest: split GGUF parts and side files.
    package static let layersPerVariant = 256
    /// A TUF metadata file of any role but root.
    package static let tufMetadataBytes = 8 * 1024 * 1024
    /// `root.json`; python-tuf's default.
    package static let tufRootBytes = 512 * 1024
    /// `timestamp.json`; python-tuf's default.
    package static let tufTimestampBytes = 16 * 1024
    /// Root versions followed in one refresh; python-tuf's default.
    package static let tufRootRotations = 256
    /// Delegated roles visited for one target; python-tuf's default.
    package static let tufDelegations = 32
    /// Signatures in one envelope.
    package static let signaturesPerEnvelope = 64
    /// A signed assignment: a device has at most `slotsPerDevice` slots.
    package static let assignmentBytes = 256 * 1024
    /// Slots on one device.
    package static let slotsPerDevice = 32
    /// Adapters in one slot.
    package static let adaptersPerSlot = 16
    /// Releases in one slot: adapters, and the engine that they run by.
    package static let releasesPerSlot = adaptersPerSlot + 1
    /// The body of an operator or device API call that is not a blob, a manifest or telemetry.
    package static let apiBodyBytes = 1024 * 1024
    /// One OTLP export request after decompression.
    package static let telemetryBodyBytes = 4 * 1024 * 1024
    /// One uploaded blob: larger than any quantized small model, smaller than a disk.
    package static let blobBytes: Int64 = 512 * 1024 * 1024 * 1024
    /// One chunk of a resumable upload.
    package static let uploadChunkBytes = 8 * 1024 * 1024
    /// Rows on one page of a list.
    package static let pageRows = 500
    /// JSON nesting in any document from outside.
    package static let jsonDepth = 64
    /// An evaluation set.
    package static let evaluationBytes = 16 * 1024 * 1024
    /// Rows of an evaluation set.
    package static let evaluationRows = 10_000
    /// The path of a request that a probe or an evaluation row makes.
    package static let engineQuestionPathBytes = 1024
    /// Probes in one release.
    package static let probesPerRelease = 32
    /// The longest a device's poll stays parked at the registry, in seconds: under the idle time-outs of common
    /// proxies.
    package static let longPollSeconds = 55
    /// Seconds that a device has to finish its part in a rollout whose policy sets no deadline: a box that is switched
    /// off must not keep a rollout open for ever. A day fits a slow link and a box that is on in office hours.
    package static let rolloutDeadlineSeconds = 86_400
    /// Waves, thresholds, gates and windows of one policy.
    package static let rolloutPolicyParts = 100
}
