"""tracerctl: what a person types.  One file per verb in `verbs/`; it talks to `tracerd.client`."""
