extension RolloutPolicyFile {
    /// A file with every field and what it means, for `martlet rollout policy example`.
    package static let example = """
        # How a rollout moves. Every field may be left out; docs/formats/rollout-policy.md describes them all.
        # martlet rollout plan  clinic/triage:2.0.0 --policy FILE    shows what would happen
        # martlet rollout start clinic/triage:2.0.0 --policy FILE

        # What is moved; --fleet, --selector and --slot win.
        target:
          fleet: wards              # or a selector: site=berlin
          slot: triage

        membership: frozen          # dynamic: devices that come to match later join the last wave
        order: [ring=canary]        # devices with these labels come first

        # Waves, cumulative. A last one with all that is left is added by itself.
        waves:
          - size: 1
            confirm: true           # a person confirms before the next wave: martlet rollout confirm
          - size: 10%
            soak: 30m               # gates go on measuring before the next wave
          - 50%

        soak: 10m                   # each device proves itself so long before it counts
        maxInFlight: 200            # devices at work at once
        rate:
          perMinute: 10             # devices started per minute at the beginning
          growth: 2                 # times so much after each growAfter successes
          growAfter: 20
          maxPerMinute: 1000
        maxFailures: none           # or a count; thresholds and gates judge more finely
        deadline: 1d                # a device that takes longer is given up; waiting for conditions does not count

        retry:
          attempts: 3               # after the first; waits 1m, 2m, 4m
          backoff: 1m
          maxBackoff: 1h
          causes: [downloadFailed]  # empty: all causes but those that say that the release is bad

        # Shares of the devices that are done; one that is switched off stalls nothing.
        thresholds:
          - maxShare: 5%
            outcomes: [failed, timedOut]
            minCompleted: 10        # judged from so many on
            confidence: 90%
            onFailure: rollbackAll
          - maxShare: 20%
            outcomes: [unreachable]
            onFailure: pause

        # Conditions on what devices measure.
        gates:
          - metric: time_per_output_token.p50
            baseline:
              tolerance: 20%        # so much slower than devices that are not updated yet
              confidence: 95%
            minDevices: 3           # on each side; fewer: each device against its own past
            minSamples: 20
            interval: 1m
            failureLimit: 1         # failed measurements that are let pass
            inconclusiveLimit: 10   # measurements without enough data before a person is asked
            onFailure: rollbackAll
          - metric: request.error_rate
            max: 1%
            baseline: {tolerance: 0.5%}
          - metric: crash.count
            max: 0
          - metric: temperature
            max: 85

        # When a device may begin, and how fast it fetches.
        conditions:
          windows: ["mon-fri 22:00-05:00", "sat,sun 00:00-24:00"]  # by the device's own clock
          idle: 1m                  # so long without a request before it switches
          onMains: true
          belowCelsius: 75
          jitter: 10m               # a random wait up to so long before it fetches
          bandwidth: 2MB/s

        # Live requests that the candidate answers too, before the switch; answers are compared on the device.
        shadow:
          share: 10%
          comparison: normalized    # or label, or embedding with minSimilarity
          samples: 50
          maxTime: 1h
          minAgreement: 90%         # less, and the device itself refuses the release

        onFailure: pause            # pause, stop, rollbackWave or rollbackAll

        """
}
