"""Second, naive answers to what the services answer, written from the definitions; nothing here imports a service."""
