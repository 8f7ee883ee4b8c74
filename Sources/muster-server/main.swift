print("muster-server")
