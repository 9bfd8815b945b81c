"""Attribution methods: (model, inputs, target) -> a map of what the answer rests on."""
