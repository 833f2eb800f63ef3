"""Media gateways (ZLMediaKit, WVP-GB28181-pro) by their live URLs."""
