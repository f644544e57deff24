"""What a notebook calls, on CCDData, with ccdproc's names."""
