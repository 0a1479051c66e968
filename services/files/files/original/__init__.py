"""The original's documents: one folder of files called `{uuid}-{originalname}`, in and out again."""
