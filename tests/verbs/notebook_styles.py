"""Cells as people write them in notebooks of the kind of the CCD Data Reduction Guide, style by style.

Each runs on the folder of `write_night` with ``ccdp`` as either package and leaves what it has made in ``found``. In a
pair the second cell is what ccdproc has to be told for the same result; docs/ccdproc.md says why.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits

NY, NX, STRIP = 40, 52, 8
#: Every cell begins with it.
FIRST = """
from pathlib import Path
import numpy as np
from astropy import units as u
from astropy.modeling.models import Chebyshev1D, Polynomial1D
from astropy.nddata import CCDData
from astropy.stats import mad_std
from astropy.wcs import WCS

def inv_median(a):
    return 1 / np.median(a)

def load(name):
    return CCDData.read(made / name)

ifc = ccdp.ImageFileCollection(raw)
"""


def write_night(raw: Path, seed: int) -> None:
    """Write biases, darks of two exposures, flats in two filters and science frames, with an overscan on the right."""
    rng = np.random.default_rng(seed)
    response = rng.normal(1.0, 0.02, (NY, NX))
    hot = rng.random((NY, NX)) < 0.01
    rate = np.where(hot, rng.uniform(5, 40, (NY, NX)), 0.05)
    y, x = np.indices((NY, NX))

    def write(kind, number, light, exposure, **cards):
        level = 1000 + 3 * np.sin(number) + np.linspace(0, 4, NY)[:, None]
        pixels = np.zeros((NY, NX + STRIP)) + level
        pixels[:, :NX] += light + rng.poisson(rate * exposure)
        pixels = rng.normal(pixels, 4.0)
        header = fits.Header([("IMAGETYP", kind), ("EXPTIME", exposure), ("BUNIT", "adu"), ("GAIN", 1.5)])
        header.update(BIASSEC=f"[{NX + 1}:{NX + STRIP},1:{NY}]", TRIMSEC=f"[1:{NX},1:{NY}]", **cards)
        fits.writeto(
            raw / f"{kind.lower()}-{number:03d}.fits", np.round(pixels).clip(0, 65535).astype(np.uint16), header
        )

    for number in range(6):
        write("BIAS", number, 0.0, 0.0)
        write("DARK", number, 0.0, 60.0)
        write("DARK", number + 10, 0.0, 300.0)
        for offset, name in ((0, "g"), (20, "r")):
            light = (20000 - 700 * number) * response
            write("FLAT", number + offset, rng.poisson(light), 5.0, FILTER=name)
    for number in range(4):
        sky = 300 * response + 4000 * np.exp(-((y - 20 - number) ** 2 + (x - 25) ** 2) / 8)
        cards = {"FILTER": "gr"[number % 2], "OBJECT": "M 67", "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"}
        cards |= {"CRVAL1": 132.8, "CRVAL2": 11.8, "CDELT1": -1e-3, "CDELT2": 1e-3}
        write("LIGHT", number, rng.poisson(sky), 120.0, CRPIX1=25.0, CRPIX2=20.0 + number, **cards)


def write_made(raw: Path, made: Path) -> None:
    """Write combined frames for the cells that begin with them; plain means, so that neither package has made them."""

    def pixels(pattern):
        return np.mean([fits.getdata(path).astype(float) for path in sorted(raw.glob(pattern))], axis=0)[:, :NX]

    bias = pixels("bias-*")
    dark = pixels("dark-01*") - bias
    flats = {name: pixels(f"flat-{number}*") - bias for name, number in (("g", "00"), ("r", "02"))}
    write = {
        "bias": (bias, 0.0),
        "dark": (dark, 300.0),
        **{f"flat_{name}": (flat, 5.0) for name, flat in flats.items()},
    }
    for name, (data, exposure) in write.items():
        fits.writeto(made / f"{name}.fits", data, fits.Header([("BUNIT", "adu"), ("EXPTIME", exposure)]))


def every(template: str, **choices: list[str]) -> list[str]:
    """Return a cell for each combination of what may stand in its marked places."""
    cells = [template]
    for name, values in choices.items():
        cells = [cell.replace(f"<{name}>", value) for cell in cells for value in values]
    return cells


CLIPS = [
    "",
    (
        ", sigma_clip=True, sigma_clip_low_thresh=5, sigma_clip_high_thresh=5, sigma_clip_func=np.ma.median,"
        " sigma_clip_dev_func=mad_std"
    ),
    ", sigma_clip=True, sigma_clip_func=np.ma.mean, sigma_clip_dev_func=np.ma.std, sigma_clip_high_thresh=2.1",
    ", clip_extrema=True, nlow=1, nhigh=2",
    ", minmax_clip=True, minmax_clip_min=900, minmax_clip_max=30000",
]

STYLES: dict[str, list[str | tuple[str, str]]] = {}

STYLES["darks with overscan"] = [
    *every(
        """
found = []
for ccd, name in ifc.ccds(imagetyp='DARK', exptime=<exposure>, return_fname=True):
    ccd = ccdp.subtract_overscan(ccd, <strip>)
    ccd = ccdp.trim_image(ccd[:, :52])
    ccd.write(out / name)
    found.append(ccd)
again = ccdp.ImageFileCollection(out)
found.append(ccdp.combine(again.files_filtered(imagetyp='dark', include_path=True), method='average'))
""",
        exposure=["60.0", "300.0"],
        strip=[
            "overscan=ccd[:, 53:], median=True, overscan_axis=1",
            "fits_section='[54:60, :]', median=True",
            "overscan=ccd[:, 52:]",
            "fits_section='[53:60,1:40]', overscan_axis=None",
            "overscan=ccd[:, 52:], median=True, model=Polynomial1D(1)",
            "fits_section=ccd.header['BIASSEC'], model=Chebyshev1D(2)",
        ],
    ),
    *every(
        """
darks = []
for ccd in ifc.ccds(imagetyp='dark', exptime=60):
    ccd = ccdp.subtract_overscan(ccd, overscan=ccd[:, 52:], median=<median>)
    darks.append(ccdp.trim_image(ccd, fits_section=ccd.header['TRIMSEC']))
found = ccdp.combine(darks, method='<method>')
""",
        median=["True", "False"],
        method=["average", "median"],
    ),
]

STYLES["darks without overscan"] = every(
    """
bias = load('bias.fits')
darks = ifc.files_filtered(imagetyp='dark', exptime=<exposure>, include_path=True)
reduced = []
for path in darks:
    dark = CCDData.read(path)
    dark = ccdp.trim_image(dark[:, :52])
    reduced.append(ccdp.subtract_bias(dark, bias))
found = ccdp.combine(reduced, method='<method>', mem_limit=350e6, dtype='float64'<clip>)
""",
    exposure=["60", "300"],
    method=["average", "median"],
    clip=[clip for clip in CLIPS if "minmax" not in clip],
)

STYLES["scaling"] = [
    *every(
        """
dark, bias = load('dark.fits'), load('bias.fits')
found = []
for light in ifc.ccds(imagetyp='<kind>'):
    light = ccdp.subtract_bias(ccdp.trim_image(light, fits_section='[1:52, :]'), bias)
    found.append(ccdp.subtract_dark(light, dark, <exposures>, scale=True))
""",
        kind=["LIGHT", "FLAT"],
        exposures=[
            "exposure_time='EXPTIME', exposure_unit=u.second",
            "exposure_time=ccdp.Keyword('EXPTIME', unit=u.second)",
            "dark_exposure=300 * u.second, data_exposure=light.header['EXPTIME'] * u.second",
            "dark_exposure=5 * u.minute, data_exposure=light.header['exptime'] * u.second",
        ],
    ),
    *every(
        """
flats = [ccdp.trim_image(flat[:, :52]) for flat in ifc.ccds(imagetyp='flat', filter='<filter>')]
found = ccdp.combine(flats, method='<method>', scale=<scale>)
""",
        filter=["g", "r"],
        method=["average", "median"],
        scale=["inv_median", "[1.0, 1.02, 1.05, 1.1, 1.2, 1.3]"],
    ),
]

_FLATS = """
flats = [ccdp.trim_image(flat[:, :52]) for flat in ifc.ccds(imagetyp='flat', filter='<filter>')]
flats = [ccdp.subtract_bias(flat, load('bias.fits')) for flat in flats]
"""
STYLES["flats by filter"] = [
    *every(
        """
filters = set(h['filter'] for h in ifc.headers(imagetyp='FLAT'))
found = []
for each in sorted(filters):
    to_combine = [ccdp.trim_image(ccd[:, :52]) for ccd in ifc.ccds(imagetyp='flat', filter=each)]
    combined = ccdp.combine(to_combine, method='<method>', scale=inv_median)
    combined.meta['combined'] = True
    combined.write(out / f'combined_flat_filter_{each}.fits')
    found.append(combined)
ifc_made = ccdp.ImageFileCollection(out)
found.append([ccd for ccd in ifc_made.ccds(combined=True)])
""",
        method=["average", "median"],
    ),
    *every(_FLATS + "found = ccdp.combine(flats, method='<method>')", filter=["g", "r"], method=["average", "median"]),
    # clipping comes before scaling in ccdproc: told frames that are scaled already, it does the same
    *[
        (
            cell + f"found = ccdp.combine(flats, method='average', scale=inv_median{spelled})",
            cell + "flats = [flat.multiply(float(inv_median(flat.data))) for flat in flats]\n"
            f"found = ccdp.combine(flats, method='average'{clip})",
        )
        for cell in every(_FLATS, filter=["g", "r"])
        for clip in CLIPS[1:4]
        for spelled in (clip, clip.replace("sigma_clip_dev_func", "signma_clip_dev_func"))
        if spelled is clip or spelled != clip
    ],
]

STYLES["hot pixels"] = [
    *every(
        """
dark = load('dark.fits')
dark = ccdp.gain_correct(dark, gain=1.5 * u.electron / u.adu)
current = dark.multiply(1 / 300)
hot_pixels = (current.data > <limit>)
mask = CCDData(data=hot_pixels.astype('uint8'), unit=u.dimensionless_unscaled)
mask.write(out / 'hot.fits')
light = ccdp.trim_image(next(ifc.ccds(imagetyp='light'))[:, :52])
light.mask = CCDData.read(out / 'hot.fits', unit=u.dimensionless_unscaled).data.astype(bool)
found = [dark, light, <more>]
""",
        limit=["4.0", "8.0"],
        more=["ccdp.subtract_bias(light, load('bias.fits'))", "ccdp.flat_correct(light, load('flat_g.fits'))"],
    ),
    *every(
        """
one, two = (ccdp.trim_image(ccd[:, :52]) for ccd in list(ifc.ccds(imagetyp='flat', filter='<filter>'))[::5])
ratio = one.divide(two)
found = CCDData(ratio.data, unit='', mask=ccdp.ccdmask(ratio<how>))
""",
        filter=["g", "r"],
        how=["", ", ncmed=5, nlmed=5", ", lsigma=7, hsigma=7", ", byblocks=True", ", ncsig=11, nlsig=11"],
    ),
    """
light = ccdp.trim_image(next(ifc.ccds(imagetyp='light'))[:, :52])
bits = np.zeros(light.shape, dtype='uint8')
bits[3, 4], bits[5, 6], bits[7, 8] = 1, 2, 6
light.mask = ccdp.bitfield_to_boolean_mask(bits, ignore_bits=2)
found = light
""",
]

_PROCESS = """
found = []
for ccd in ifc.ccds(imagetyp='light', filter='<filter>'):
    found.append(ccdp.ccd_process(ccd, <arguments>))
"""
_ALL = "trim='[1:52, 1:40]', master_bias=load('bias.fits')"
STYLES["science with ccd_process"] = every(
    _PROCESS,
    filter=["g", "r"],
    arguments=[
        "oscan='[53:60, :]', trim='[1:52, :]'",
        "oscan=ccd[:, 52:], oscan_median=False, trim=ccd.header['TRIMSEC']",
        "oscan='[53:60, :]', oscan_model=Polynomial1D(1), trim='[1:52, :]'",
        _ALL,
        f"{_ALL}, dark_frame=load('dark.fits'), exposure_key='EXPTIME', exposure_unit=u.second, dark_scale=True",
        f"{_ALL}, master_flat=load('flat_<filter>.fits')",
        f"{_ALL}, master_flat=load('flat_<filter>.fits'), min_value=9000",
        "oscan='[53:60, :]', trim='[1:52, :]', error=True, gain=1.5 * u.electron / u.adu, readnoise=6 * u.electron",
        (
            "oscan='[53:60, :]', trim='[1:52, :]', gain=1.5 * u.electron / u.adu, gain_corrected=False,"
            " master_flat=load('flat_g.fits')"
        ),
        "oscan='[53:60, :]', trim='[1:52, :]', bad_pixel_mask=load('dark.fits').data > 2000, add_keyword=False",
    ],
)
# what stands in the file names of the flats
STYLES["science with ccd_process"] = [
    cell.replace("flat_<filter>", "flat_g" if "filter='g'" in cell else "flat_r")
    for cell in STYLES["science with ccd_process"]
]

STYLES["Combiner by hand"] = every(
    """
ccds = [ccdp.trim_image(ccd[:, :52]) for ccd in ifc.ccds(imagetyp='<kind>')]
combiner = ccdp.Combiner(ccds, dtype='float64')
<clip>
found = [combiner.<method>(), CCDData(1.0 * combiner.data_arr.mask.sum(axis=0), unit='adu')]
""",
    kind=["bias", "dark"],
    clip=[
        "",
        "combiner.clip_extrema(nlow=1, nhigh=1)",
        "combiner.minmax_clipping(min_clip=950, max_clip=1300)",
        "combiner.sigma_clipping(low_thresh=2.1, high_thresh=3, func=np.ma.median)",
        "combiner.sigma_clipping(low_thresh=3, high_thresh=3, func='median', dev_func='mad_std')",
        "combiner.data_arr.mask[0] = True",
        "combiner.data_arr[1, 3:5] = 1000.0",
        "combiner.scaling = np.linspace(0.9, 1.1, len(ccds))",
    ],
    method=["average_combine", "median_combine", "sum_combine"],
)

STYLES["weights"] = [
    *every(
        """
ccds = [ccdp.trim_image(ccd[:, :52]) for ccd in ifc.ccds(imagetyp='<kind>')]
weights = <weights>
found = <how>
""",
        kind=["bias", "light"],
        weights=[
            "np.arange(1.0, len(ccds) + 1)",
            "np.array([1 / np.std(ccd.data[:5]) ** 2 for ccd in ccds])",
            "np.array([1 / np.maximum(ccd.data, 1.0) for ccd in ccds])",
            "np.ones(len(ccds))",
        ],
        how=["ccdp.combine(ccds, weights=weights)", "ccdp.combine(ccds, method='sum', weights=weights)"],
    ),
    *every(
        """
combiner = ccdp.Combiner([ccdp.trim_image(ccd[:, :52]) for ccd in ifc.ccds(imagetyp='<kind>')])
combiner.weights = np.linspace(1, 2, len(combiner.ccd_list))
combiner.minmax_clipping(max_clip=60000)
found = combiner.average_combine()
""",
        kind=["bias", "light"],
    ),
]

STYLES["wcs_project"] = [
    *every(
        """
lights = [ccdp.trim_image(ccd, fits_section='[1:52, :]') for ccd in ifc.ccds(imagetyp='light'<chosen>)]
target = lights[0].wcs
found = [ccdp.wcs_project(ccd, target<order>) for ccd in lights]
<then>
""",
        chosen=["", ", filter='g'"],
        order=["", ", order='nearest-neighbor'", ", target_shape=(50, 60)"],
        then=["", "found = ccdp.Combiner(found).average_combine()", "found = ccdp.combine(found, method='median')"],
    ),
]
