"""Look-alikes of what is asked over HTTP: an ONVIF device, ticket services, WVP, ZLMediaKit."""
