"""GPT-2 and other decoders by PyTorch: on cards, on Macs, and on CPUs where OpenVINO cannot."""
