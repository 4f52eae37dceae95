"""What of ours runs on one VM: a keeper, an agent, and the attempts."""
