"""The names of ``ccdproc.ccddata``, which are astropy's."""

from astropy.nddata import CCDData, fits_ccddata_reader, fits_ccddata_writer

__all__ = ["CCDData", "fits_ccddata_reader", "fits_ccddata_writer"]
