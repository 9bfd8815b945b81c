"""Attribution preservation in network compression (AP): matching, distilling, pruning and measuring."""
