internal import MartletTypes

extension VariantManifest {
    /// The bytes that are published: equal variants give equal bytes.
    package func encoded() throws(BundleError) -> [UInt8] {
        var layers = weights.map { Self.layer($0.descriptor, LayerRole(rawValue: $0.role.rawValue), $0.fileName) }
        if let evaluation {
            var layer = Self.layer(evaluation, .evaluation, "evaluation.jsonl")
            if let threshold {
                let text = try DocumentCoder.encode(threshold, "evaluation threshold")
                layer.annotations?[AnnotationKey.threshold] = String(decoding: text, as: UTF8.self)
            }
            layers.append(layer)
        }
        if let probes { layers.append(Self.layer(probes, .probes, "probes.json")) }
        if let card { layers.append(Self.layer(card, .card, "README.md")) }
        if let license { layers.append(Self.layer(license, .license, "LICENSE")) }
        if let chatTemplate { layers.append(Self.layer(chatTemplate, .chatTemplate, "chat_template.jinja")) }
        var notes: [String: String] = [:]
        notes[AnnotationKey.shape] = try ShapeText.encode(shape)
        notes[AnnotationKey.adapterShape] = try ShapeText.encode(adapterShape)
        let manifest = ImageManifest(
            artifactType: MediaType.modelManifest, config: config, layers: layers, annotations: notes)
        return try DocumentCoder.encode(manifest, Self.document)
    }

    private static func layer(_ descriptor: Descriptor, _ role: LayerRole?, _ name: String) -> Descriptor {
        var layer = descriptor
        var notes = [AnnotationKey.title: name, AnnotationKey.filePath: name]
        notes[AnnotationKey.role] = role?.rawValue
        layer.annotations = notes
        return layer
    }

    static func readLayer(_ layer: Descriptor, _ field: String) throws(BundleError) -> (LayerRole, String) {
        let fields = AnnotationReader(
            document: document, field: field + ".annotations", values: layer.annotations ?? [:])
        guard let role = LayerRole(rawValue: try fields.text(AnnotationKey.role)) else {
            throw fields.refusal(.unsupported, AnnotationKey.role, "is not a role that is known")
        }
        guard layer.mediaType == role.mediaType else {
            throw BundleError(
                .contradiction, document, field + ".mediaType",
                "is not \(role.mediaType), as role \(role.rawValue) demands")
        }
        let name = try fields.text(AnnotationKey.title)
        guard FileNameRule.holds(name) else {
            throw fields.refusal(.unsafeName, AnnotationKey.title, "is not a plain file name")
        }
        guard fields.values[AnnotationKey.filePath].map({ $0 == name }) ?? true else {
            throw fields.refusal(.contradiction, AnnotationKey.filePath, "differs from the title")
        }
        return (role, name)
    }

    static func readThreshold(_ evaluation: Descriptor?) throws(BundleError) -> EvaluationThreshold? {
        guard let text = evaluation?.annotations?[AnnotationKey.threshold] else { return nil }
        return try DocumentCoder.decode(
            EvaluationThreshold.self, from: Array(text.utf8), limit: BundleLimits.annotationBytes,
            "evaluation threshold")
    }

    func validate() throws(BundleError) {
        func refusal(_ reason: BundleError.Code, _ field: String, _ detail: String) -> BundleError {
            BundleError(reason, Self.document, field, detail)
        }
        guard blobs.count <= Limits.layersPerVariant else {
            throw refusal(.tooLarge, "layers", "has more than \(Limits.layersPerVariant) entries")
        }
        let roles = Set(weights.map(\.role))
        guard roles == (adapterShape == nil ? [.model] : [.base, .adapter]) else {
            throw refusal(
                .contradiction, "layers",
                adapterShape == nil
                    ? "must hold weights of role model and no others"
                    : "must hold weights of the roles base and adapter and no others")
        }
        guard weights.filter({ $0.role == .adapter }).count <= 1 else {
            throw refusal(.duplicate, "layers", "holds more than one adapter")
        }
        var digests: Set<Digest> = []
        var names: Set<String> = []
        for (index, weight) in weights.enumerated() {
            guard digests.insert(weight.descriptor.digest).inserted else {
                throw refusal(.duplicate, "layers[\(index)].digest", "stands there twice")
            }
            guard FileNameRule.holds(weight.fileName) else {
                throw refusal(.unsafeName, "layers[\(index)] title", "is not a plain file name")
            }
            guard names.insert(weight.fileName).inserted else {
                throw refusal(.duplicate, "layers[\(index)] title", "stands there twice")
            }
        }
        try validateSizes()
        try validateThreshold()
    }

    private func validateSizes() throws(BundleError) {
        let others: [(LayerRole, Descriptor?)] = [
            (.evaluation, evaluation), (.probes, probes), (.card, card), (.license, license),
            (.chatTemplate, chatTemplate),
        ]
        for (role, layer) in others {
            guard let layer, !(0...role.limit).contains(layer.size.bytes) else { continue }
            throw BundleError(.tooLarge, Self.document, role.rawValue, "has not between 0 and \(role.limit) bytes")
        }
        for weight in weights where !(1...Limits.blobBytes).contains(weight.descriptor.size.bytes) {
            throw BundleError(
                .invalid, Self.document, weight.fileName, "has not between 1 and \(Limits.blobBytes) bytes")
        }
        guard (0...Int64(Limits.manifestBytes)).contains(config.size.bytes) else {
            throw BundleError(.tooLarge, Self.document, "config.size", "is over \(Limits.manifestBytes) bytes")
        }
    }

    private func validateThreshold() throws(BundleError) {
        guard let threshold else { return }
        guard evaluation != nil else {
            throw BundleError(.contradiction, Self.document, "threshold", "stands there without an evaluation set")
        }
        guard threshold.minAccuracy.map((0...1).contains) ?? true else {
            throw BundleError(.invalid, Self.document, "threshold.minAccuracy", "is not between 0 and 1")
        }
        guard threshold.rows.map((1...Limits.evaluationRows).contains) ?? true else {
            throw BundleError(
                .invalid, Self.document, "threshold.rows", "is not between 1 and \(Limits.evaluationRows)")
        }
    }
}
