"""What stands for Rainbow: the PCG, which serves many PBXs, and the state of each as Rainbow's portal shows it."""
